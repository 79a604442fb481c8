"""Ledgers loaded with rows, made once a run and used by every bar of that size."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.network import Network, fill, open_ledger
from bench.quiet import prepare
from bench.runs import in_process


@dataclass
class Loaded:
    """A ledger's folder, and how many runs wrote to it."""

    folder: Path
    network: Network
    rows: int
    runs: int = 0

    def next_run(self) -> int:
        """The number of the next run that writes here, 1 or more."""
        self.runs += 1
        return self.runs


@dataclass
class Shelf:
    """The loaded ledgers of one run of the suite."""

    folder: Path
    network: Network
    _made: dict[int, Loaded] = field(default_factory=dict)

    def loaded(self, rows: int) -> Loaded:
        """The ledger with so many rows, filled now if it is the first time."""
        if rows not in self._made:
            sys.stderr.write(f"  filling {rows:,} rows\n")
            folder = self.folder / f"loaded-{rows}"
            in_process(_fill, folder, self.network.genesis, rows)
            self._made[rows] = Loaded(folder, self.network, rows)
        return self._made[rows]


def _fill(folder: Path, genesis: bytes, rows: int) -> None:
    prepare()
    network = Network.of(genesis)
    ledger = open_ledger(folder, network)
    fill(ledger, network, rows)
    ledger.close()
