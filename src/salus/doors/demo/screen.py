"""How the tour speaks: a step at a time, what happened, what the ledger shows, how to check it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.rule import Rule


class Screen:
    """Prints the tour to stderr: talk is no data."""

    def __init__(self, console: Console | None = None) -> None:
        """`console`: for tests."""
        self.console = console or Console(stderr=True, highlight=False)
        self._step = 0

    def step(self, title: str, words: str) -> None:
        """Begin a step."""
        self._step += 1
        self.console.print()
        self.console.print(Rule(f"[bold]{self._step}. {title}", align="left", style="cyan"))
        self.console.print(Padding(words, (0, 0, 0, 2)), style="dim")

    def did(self, words: str) -> None:
        """Say what happened and held."""
        self.console.print(Padding(f"[green]✓[/] {words}", (0, 0, 0, 2)))

    def refused(self, words: str) -> None:
        """Say what was refused, as it must be."""
        self.console.print(Padding(f"[yellow]✗[/] {words}", (0, 0, 0, 2)))

    def ledger(self, words: str) -> None:
        """Say what the ledger shows."""
        self.console.print(Padding(f"[blue]ledger[/] {words}", (0, 0, 0, 2)))

    def check(self, command: str) -> None:
        """Say how to check it by hand."""
        self.console.print(Padding(f"[dim]check it:[/] {command}", (0, 0, 0, 2)))

    @contextmanager
    def progress(self, words: str, total: int) -> Iterator[Progress]:
        """Show a bar for long work; its one task is 0."""
        columns = (SpinnerColumn(), TextColumn(f"  {words}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            progress.add_task(words, total=total)
            yield progress
