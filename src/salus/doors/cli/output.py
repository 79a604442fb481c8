"""
What a command prints: data to stdout, as a table for people or as JSON; talk to stderr.

A "no" is one sentence with its next step on stderr, or its problem document with `--json`.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from salus.doors.problems import Told

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

PIPED_COLUMNS = 200
"""Width of tables that go to a file or pipe: an id of 64 digits is not broken."""


def show_json(value: Any) -> None:
    """Print a value as JSON, two spaces deep, to stdout."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(data.decode() + "\n")


def show_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, title: str | None = None
) -> None:
    """Print rows of named values to stdout; a list is written with commas."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(column))) for column in columns))
    _out().print(table)


def show_fields(value: Mapping[str, Any]) -> None:
    """Print named values, one a line, to stdout."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, one in value.items():
        table.add_row(name.replace("_", " "), escape(_cell(one)))
    _out().print(table)


def say(words: str) -> None:
    """Talk: to stderr, never data."""
    _err().print(escape(words))


def show_problem(told: Told, *, as_json: bool) -> None:
    """Print a "no" to stderr."""
    if as_json:
        sys.stderr.write(msgspec.json.encode(told.document).decode() + "\n")
        return
    number = "" if told.number is None else f" ({told.number})"
    _err().print(f"[bold red]{told.name}{number}[/]: {escape(told.text)}")


@contextmanager
def bar(words: str, total: int) -> Iterator[Progress]:
    """Show a progress bar on stderr for long work; its one task is 0."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_err(), transient=True) as progress:
        progress.add_task(words, total=total)
        yield progress


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value) or "–"
    return str(value)


def _out() -> Console:
    width = None if sys.stdout.isatty() else PIPED_COLUMNS
    return Console(file=sys.stdout, width=width, highlight=False)


def _err() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)
