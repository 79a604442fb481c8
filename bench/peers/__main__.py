"""
Measure the peers of Salus on this machine: `python -m bench.peers --help`.

The table, or with `--json` one object, goes to stdout; what is being measured goes to stderr.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.peers.arms import ARMS, Arm, measure
from bench.peers.immudb import CACHE
from bench.peers.machine import Machine, describe
from bench.peers.peer import PeerMissing, Result

_ALL_ARMS = ",".join(arm.id for arm in ARMS)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a result, or the reason why there is none."""

    arm: str
    """The peer's name and settings."""

    clients: int | None
    """Connections that wrote at once; none if the arm was not run."""

    result: Result | None
    """What was measured; none if the arm was not run."""

    not_run: str | None = None
    """Why the arm was not run, in words."""


def main(
    *,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each run writes.")] = 5.0,
    clients: Annotated[str, typer.Option(help="Numbers of clients, by comma.")] = "1,10,100",
    arms: Annotated[str, typer.Option(help="Arms to run, by comma.")] = _ALL_ARMS,
    folder: Annotated[
        Path, typer.Option(help="Where the databases lie: on the disk to measure.")
    ] = CACHE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Measure durable writes of 300-byte rows, at each number of clients."""
    chosen = _choose(arms)
    counts = _numbers(clients)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="peers-", dir=folder) as name:
        machine = describe(Path(name))
        lines = [
            line
            for arm in chosen
            for line in _lines(arm, Path(name), clients=counts, seconds=seconds)
        ]
    if as_json:
        print(json.dumps(_plain(machine, lines), indent=2))
    else:
        _print_table(Console(), machine, lines)


def _lines(arm: Arm, folder: Path, *, clients: Sequence[int], seconds: float) -> Iterator[Line]:
    print(f"{arm.id}: {len(clients)} runs of {seconds} s", file=sys.stderr)
    try:
        for count, result in measure(arm, folder, clients=clients, seconds=seconds):
            yield Line(arm.name, count, result)
    except PeerMissing as missing:
        yield Line(arm.name, None, None, not_run=str(missing))


def _choose(names: str) -> list[Arm]:
    known = {arm.id: arm for arm in ARMS}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        message = f"expected some of {', '.join(known)}; {len(unknown)} are none of them"
        raise typer.BadParameter(message, param_hint="--arms")
    return [known[name] for name in names.split(",")]


def _numbers(text: str) -> list[int]:
    numbers = [int(part) if part.isdecimal() else 0 for part in text.split(",")]
    if not all(1 <= number <= 100 for number in numbers):
        message = "expected whole numbers from 1 to 100, by comma, such as 1,10,100"
        raise typer.BadParameter(message, param_hint="--clients")
    return numbers


def _print_table(console: Console, machine: Machine, lines: Sequence[Line]) -> None:
    table = Table()
    table.add_column("peer")
    for heading in ("clients", "rows/s", "p50 ms", "p99 ms", "syncs"):
        table.add_column(heading, justify="right")
    for line in lines:
        if line.result is not None:
            table.add_row(line.arm, str(line.clients), *_cells(line.result))
    console.print(str(machine), table, sep="\n", highlight=False)
    for line in lines:
        if line.not_run is not None:
            console.print(f"{line.arm}: not run: {line.not_run}", markup=False, highlight=False)


def _cells(result: Result) -> tuple[str, ...]:
    return (
        f"{result.per_second:,.0f}",
        f"{result.p50_ms:.2f}",
        f"{result.p99_ms:.2f}",
        "" if result.syncs is None else f"{result.syncs:,}",
    )


def _plain(machine: Machine, lines: Sequence[Line]) -> dict[str, object]:
    """Shape everything for JSON; an arm that was not run has `result` null and its reason."""
    return {"machine": asdict(machine), "lines": [asdict(line) for line in lines]}


if __name__ == "__main__":
    typer.run(main)
