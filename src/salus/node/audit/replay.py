"""
Every block executed again, on a state of the audit's own, and compared with its record.

The state is made from the genesis file and the journal alone; what the node keeps is compared with
it afterwards. Receipts and index rows are written beside the state as a node writes them.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from salus.base import codec, merkle
from salus.base.errors import Fault
from salus.base.merkle import Frontier
from salus.machine import genesis as genesis_file
from salus.machine.block import Outcome, SealedBlock, seal, seal_genesis
from salus.machine.context import StateView
from salus.machine.execute import Machine
from salus.machine.refusals import LAST_UNSPENT
from salus.modules.consent.state import TAG
from salus.modules.records.state import BATCH
from salus.node.audit.blocks import SIGNATURE_INVALID, BlockFound
from salus.node.audit.report import Finding, Report
from salus.node.ledger import GENESIS_ENTRY, StoreMeta
from salus.node.record import BlockRecord, StoredReceipts, index_value
from salus.state.overlay import Overlay
from salus.state.store import StateStore


class Replayed(NamedTuple):
    """Where a replay stands."""

    height: int
    time_ms: int


class Replay:
    """A ledger of the audit's own; `close` it between two uses of its folder."""

    def __init__(self, folder: Path, machine: Machine, genesis: bytes, levels: int | None) -> None:
        """`levels`: T of the store it will be compared with, so that their buckets are equal."""
        self._folder = folder
        self._machine = machine
        self._levels = levels
        self._store = StateStore.open(folder, levels=levels)
        self.network = genesis_file.network_id(genesis)
        self._frontier = Frontier()
        self.batch_heights: dict[bytes, int] = {}
        """Batch id -> height of the block that committed it."""

        self.sheet_roots: set[bytes] = set()
        """Roots of all sheets that any tag ever had."""

        self.at = Replayed(0, genesis_file.read_genesis(genesis).time_ms)
        self.genesis_leaf = self._start(genesis)

    def execute(self, record: BlockRecord, report: Report) -> BlockFound | None:
        """Execute the next block; None, and a finding, if it is not what its record says."""
        signatures = [result.code != SIGNATURE_INVALID for result in record.results]
        try:
            outcome = self._machine.execute(
                self.network, self._store.get, record.block, signatures=signatures
            )
        except Fault as fault:
            report.add(
                Finding("blocks", "blocks", "a block that executes", str(fault), record.height)
            )
            return None
        staged = self._store.stage(outcome.changes)
        sealed = seal(outcome, staged.root, self._frontier)
        difference = _difference(record, outcome, sealed)
        if difference is not None:
            report.add(difference)
            return None
        extras = [("receipts", record.height.to_bytes(8, "big"), _receipts(outcome))]
        extras += self._index_rows(outcome)
        self._remember(outcome)
        self._store.push(record.height, staged, extras, _meta(sealed, record.time_ms))
        self._frontier = sealed.frontier
        self.at = Replayed(record.height, record.time_ms)
        return BlockFound(
            record.height, record.log_size, record.log_root, record.state, record.app,
            sealed.leaf_hashes,
        )  # fmt: skip

    def _remember(self, outcome: Outcome) -> None:
        """Keep what the vault's check needs of every height."""
        for key, value in outcome.changes.items():
            if key.startswith(BATCH.prefix):
                self.batch_heights.setdefault(key[len(BATCH.prefix) :], outcome.height)
            elif key.startswith(TAG.prefix) and value is not None:
                self.sheet_roots.add(TAG.decode(value).sheet_root)

    def view(self) -> StateView:
        """The state as replayed so far."""
        return StateView(
            Overlay(self._store.get),
            network=self.network,
            height=self.at.height,
            time_ms=self.at.time_ms,
        )

    def rows(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows whose state keys start so, as state key and value."""
        return self._store.rows(prefix)

    def pause(self) -> None:
        """Bring all to the folder and let go of it."""
        self._store.close()

    def resume(self) -> None:
        """Open the folder again."""
        self._store = StateStore.open(self._folder, levels=self._levels)

    def _start(self, genesis: bytes) -> bytes:
        staged = self._store.stage(genesis_file.first_rows(self._machine, genesis))
        sealed = seal_genesis(self.network, staged.root, self.at.time_ms)
        extras = [("meta", GENESIS_ENTRY, sealed.entries[0])]
        self._store.push(0, staged, extras, _meta(sealed, self.at.time_ms))
        self._frontier = sealed.frontier
        return sealed.leaf_hashes[0]

    def _index_rows(self, outcome: Outcome) -> Iterable[tuple[str, bytes, bytes]]:
        """An id's row names the copy that spent its nonce, else the first (corrections 11)."""
        rows: dict[bytes, bytes] = {}
        for position, (tx_id, receipt) in enumerate(
            zip(outcome.ids, outcome.receipts, strict=True)
        ):
            spent = not 0 < receipt.code <= LAST_UNSPENT
            if spent or (tx_id not in rows and self._store.extra("index", tx_id) is None):
                rows[tx_id] = index_value(outcome.height, position)
        return [("index", tx_id, value) for tx_id, value in rows.items()]


def _difference(record: BlockRecord, outcome: Outcome, sealed: SealedBlock) -> Finding | None:
    """The first thing in which a block differs from its record: results before roots."""
    if len(outcome.receipts) != len(record.results):
        expected, found = f"{len(record.results)} results", f"{len(outcome.receipts)}"
        return Finding("blocks", "blocks", expected, found, record.height)
    for position, (result, receipt) in enumerate(
        zip(record.results, outcome.receipts, strict=True)
    ):
        if (result.code, result.events) != (receipt.code, merkle.root(receipt.events)):
            expected = f"code {result.code} with its events"
            found = f"code {receipt.code} or other events"
            return Finding("blocks", "blocks", expected, found, record.height, position)
    for name, expected_value, found_value in _roots(record, outcome, sealed):
        if expected_value != found_value:
            expected, found = f"{name} {expected_value}", f"{found_value}"
            return Finding("blocks", "blocks", expected, found, record.height)
    return None


def _roots(
    record: BlockRecord, outcome: Outcome, sealed: SealedBlock
) -> Sequence[tuple[str, str, str]]:
    return (
        ("block events", record.events.hex(), merkle.root(outcome.events).hex()),
        ("state root", record.state.hex(), sealed.state_root.hex()),
        ("log size", str(record.log_size), str(sealed.log_size)),
        ("log root", record.log_root.hex(), sealed.log_root.hex()),
        ("app hash", record.app.hex(), sealed.app_hash.hex()),
    )


def _receipts(outcome: Outcome) -> bytes:
    return codec.encode(StoredReceipts(events=outcome.events, receipts=outcome.receipts))


def _meta(sealed: SealedBlock, time_ms: int) -> bytes:
    return codec.encode(
        StoreMeta(
            app=sealed.app_hash,
            log_root=sealed.log_root,
            log_size=sealed.log_size,
            time_ms=time_ms,
        )
    )
