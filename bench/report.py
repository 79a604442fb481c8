"""One table: what was measured, beside what, against which bar."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure."""

    id: str
    """The bar's name in the design: B1 …."""

    what: str
    """What was measured, with its size."""

    unit: str
    """Of Salus' figure, its peers' and the bar."""

    salus: float | None
    """Median of the runs; none if it was not run."""

    peers: dict[str, float] = field(default_factory=dict)
    """Name -> the peer's median in the same unit."""

    bar: float | None = None
    """What Salus is held to; none if the figure is for the record."""

    is_ceiling: bool = False
    """Whether the bar is the most allowed, instead of the least."""

    note: str = ""
    """What else is worth knowing, or why it was not run."""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None without a bar or a figure."""
        if self.bar is None or self.salus is None:
            return None
        return self.salus <= self.bar if self.is_ceiling else self.salus >= self.bar


def print_table(console: Console, machine: Machine, command: str, lines: Sequence[Line]) -> None:
    """Print the machine, the command and all lines, a row a peer."""
    table = Table()
    for heading in ("id", "what"):
        table.add_column(heading)
    table.add_column("Salus", justify="right")
    table.add_column("peer")
    for heading in ("peer's", "ratio", "bar"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for line in lines:
        for cells in _rows(line):
            table.add_row(*cells)
    console.print(str(machine), command, table, sep="\n", highlight=False, markup=False)
    for line in lines:
        if line.note:
            console.print(f"{line.id} {line.what}: {line.note}", highlight=False, markup=False)


def plain(machine: Machine, command: str, lines: Sequence[Line]) -> dict[str, Any]:
    """Shape everything for JSON."""
    shaped = [asdict(line) | {"is_met": line.is_met} for line in lines]
    return {"machine": asdict(machine), "command": command, "lines": shaped}


def _rows(line: Line) -> Iterator[tuple[str, ...]]:
    verdict = {None: "", True: "met", False: "missed"}[line.is_met]
    bar = "" if line.bar is None else f"{'≤' if line.is_ceiling else '≥'} {_shown(line.bar)}"
    salus = "not run" if line.salus is None else f"{_shown(line.salus)} {line.unit}"
    peers = [_peer_cells(line.salus, *peer) for peer in line.peers.items()] or [("", "", "")]
    yield (line.id, line.what, salus, *peers[0], bar, verdict)
    yield from (("", "", "", *cells, "", "") for cells in peers[1:])


def _peer_cells(salus: float | None, name: str, value: float) -> tuple[str, str, str]:
    return name, _shown(value), "" if salus is None else f"{salus / value:.2f}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
