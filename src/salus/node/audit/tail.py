"""
Blocks whose receipts are not in the store, executed over it without making a tree.

Level `log` needs of them the entries alone; their state roots are taken from the records, and the
log root tells whether all fits.
"""

from pathlib import Path

from salus.base.errors import Fault
from salus.base.merkle import Frontier
from salus.machine import genesis as genesis_file
from salus.machine.block import seal, seal_genesis
from salus.machine.context import StateView
from salus.machine.execute import Machine
from salus.node.audit.blocks import SIGNATURE_INVALID
from salus.node.audit.report import Finding, Report
from salus.node.audit.store_view import StoreView
from salus.node.record import BlockRecord
from salus.state import tree
from salus.state.disk import Base, StoreDamaged
from salus.state.heap import Heap
from salus.state.overlay import Overlay


class Tail:
    """The state above a store's base, in memory."""

    def __init__(
        self, machine: Machine, genesis: bytes, state: Path | None, base: Base | None
    ) -> None:
        """`state`, `base`: the store and where it stands; without them from the genesis on."""
        self._machine = machine
        self._network = genesis_file.network_id(genesis)
        self._store = None if state is None else StoreView(state)
        first_rows = genesis_file.first_rows(machine, genesis)
        self._rows = first_rows if base is None else {}
        self._height = 0 if base is None else base.height
        first = tree.stage(Heap(tree.LEVELS_MIN), -1, first_rows, lambda _numbers: [])
        self.genesis_leaf = seal_genesis(
            self._network, first.root, genesis_file.read_genesis(genesis).time_ms
        ).leaf_hashes[0]

    def leaves(self, record: BlockRecord, report: Report) -> list[bytes] | None:
        """Execute the next block; the hashes of its entries, or None and a finding."""
        if record.height != self._height + 1:
            report.add(Finding("state", "state/receipts", "receipts", "none", record.height))
            return None
        signatures = [result.code != SIGNATURE_INVALID for result in record.results]
        try:
            outcome = self._machine.execute(
                self._network, self._read, record.block, signatures=signatures
            )
        except (Fault, StoreDamaged) as fault:
            report.add(
                Finding("blocks", "blocks", "a block that executes", str(fault), record.height)
            )
            return None
        self._rows.update(outcome.changes)
        self._height = record.height
        return seal(outcome, record.state, Frontier()).leaf_hashes

    def view(self) -> StateView:
        """The state, for what does not ask the time: members' keys of any day."""
        return StateView(Overlay(self._read), network=self._network, height=self._height, time_ms=0)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def _read(self, state_key: bytes) -> bytes | None:
        if state_key in self._rows:
            return self._rows[state_key]
        return None if self._store is None else self._store.row(state_key)
