"""
One member's copy of the ledger: the machine over a journal, a log and a state store.

An engine orders blocks and hands them here: `execute` touches nothing, `commit` makes the block
durable (one sync) and moves the tip. The journal is the truth; opening replays what the store lacks
and compares every app hash on the way.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import structlog

from salus.base import codec, merkle
from salus.base.entry import GenesisEntry
from salus.base.errors import Category, Fault, Problem, invariant
from salus.base.merkle import Frontier
from salus.machine import genesis as genesis_file
from salus.machine.block import Block, Outcome, SealedBlock, seal, seal_genesis
from salus.machine.context import StateView
from salus.machine.execute import Machine
from salus.machine.refusals import LAST_UNSPENT, SignatureInvalid
from salus.machine.transaction import Transaction
from salus.node.entries import entries_of
from salus.node.folder_lock import FolderLock
from salus.node.history import Start, read_start
from salus.node.journal import SEGMENT_BYTES, Journal
from salus.node.journal_segment import genesis_differs
from salus.node.log_files import LogFiles
from salus.node.record import (
    BlockRecord,
    StoredReceipts,
    index_value,
    read_index,
    read_receipts,
    read_record,
    record_of,
)
from salus.node.room import RESERVE_BYTES, Room
from salus.node.tip import Executed, StateCopy, StoreMeta, Tip, meta_of, open_store, tip_after
from salus.node.tracing import traces
from salus.state.overlay import Overlay
from salus.state.store import Staged, StateStore

__all__ = ["GENESIS_ENTRY", "Executed", "Ledger", "StateCopy", "StoreMeta", "Tip"]

log = structlog.get_logger()

GENESIS_ENTRY = b"genesis-entry"
"""Key of the genesis entry's bytes in the store's `meta` family."""

LOG_SYNC_BLOCKS = 256
LOG_SYNC_ENTRIES = 20_000
"""Between syncs of the log files: a start refills at most so many from the journal."""


class Ledger:
    """Opened by one process; one thread commits, any thread reads."""

    def __init__(  # noqa: D107 (made by `open`)
        self,
        machine: Machine,
        genesis: bytes,
        store: StateStore,
        journal: Journal,
        log_files: LogFiles,
        room: Room,
        start: Start,
    ) -> None:
        self.start = start
        self.evidence_count = 0  # proofs of misbehaviour in the blocks committed since the start
        self.machine = machine
        self.genesis = genesis
        self.network = genesis_file.network_id(genesis)
        self._store = store
        self._journal = journal
        self._log_files = log_files
        self._room = room
        self._opened = ExitStack()
        self._frontier = Frontier()
        self._moved = threading.Condition()
        self._moving = threading.RLock()
        self._after_move: Callable[[Tip], None] = _nothing
        self._tip = Tip(0, 0, 0, b"", b"", b"")

    @classmethod
    def open(
        cls,
        folder: Path,
        machine: Machine,
        genesis: bytes,
        *,
        must_hold: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> "Ledger":
        """
        Open or make the ledger in `folder`, replaying the journal over the store.

        `must_hold`: newest height that any signed note names; a journal that ends before it lost
        acknowledged data. `segment_bytes`: of the journal's files, `reserve_bytes`: of `Room`; both
        smaller in tests. Raises Fault with what an operator does, Problem FolderInUse, StorageFull,
        GenesisDiffers.
        """
        network = genesis_file.network_id(genesis)
        with ExitStack() as opened:
            opened.callback(FolderLock(folder).release)
            room = Room(folder, reserve_bytes)
            room.check()
            journal = Journal.open(
                folder / "journal", network, must_hold=must_hold, segment_bytes=segment_bytes
            )
            opened.callback(journal.close)
            log_files = LogFiles.open(folder / "log")
            opened.callback(log_files.close)
            store = open_store(folder / "state")
            opened.callback(store.close)
            ledger = cls(machine, genesis, store, journal, log_files, room, read_start(folder))
            ledger._start()
            opened.callback(log_files.sync)
            ledger._opened = opened.pop_all()
        return ledger

    @property
    def tip(self) -> Tip:
        """The newest block; a snapshot that never changes."""
        return self._tip

    @traces.spanned("block.execute")
    def execute(
        self,
        block: Block,
        *,
        parsed: Sequence[Transaction] | None = None,
        signatures: Sequence[bool] | None = None,
        drop: Callable[[bytes, Exception], None] | None = None,
    ) -> Executed:
        """Execute a block on the tip; see `Machine.execute`. Touches nothing."""
        outcome = self.machine.execute(
            self.network, self._store.get, block, parsed=parsed, signatures=signatures, drop=drop
        )
        staged = self._store.stage(outcome.changes)
        sealed = seal(outcome, staged.root, self._frontier)
        return Executed(block=block, outcome=outcome, sealed=sealed, staged=staged)

    def commit(self, executed: Executed) -> None:
        """
        Journal, sync, and move the tip: the block is acknowledged when this returns.

        Raises Problem StorageFull: there is no room; nothing was written.
        """
        follows = executed.staged.tip_height + 1 == executed.block.height == self._tip.height + 1
        invariant(follows, "the block was not executed on the tip")
        self._room.check()
        record = record_of(executed.block, executed.outcome, executed.sealed)
        self._journal.append(record.height, codec.encode(record))
        self._apply(executed)
        self.evidence_count += len(executed.block.evidence)

    def view(self, at_ms: int = 0) -> StateView:
        """The state at the tip, for queries; at the tip's time, or `at_ms` if that is later."""
        tip = self._tip
        return StateView(
            Overlay(self._store.get),
            network=self.network,
            height=tip.height,
            time_ms=max(tip.time_ms, at_ms),
        )

    def view_after(self, executed: Executed) -> StateView:
        """The state as it will be once the block is committed."""
        changes = executed.outcome.changes

        def read(state_key: bytes) -> bytes | None:
            return changes[state_key] if state_key in changes else self._store.get(state_key)

        block = executed.block
        return StateView(
            Overlay(read), network=self.network, height=block.height, time_ms=block.time_ms
        )

    def copy_state(self) -> StateCopy:
        """The state at the tip, whole."""
        with self._moving:
            rows = self._store.rows()
            # The first step fixes what all later ones read.
            first = list(islice(rows, 1))
            return StateCopy(self._tip, self._frontier.copy(), chain(first, rows))

    def after_each_block(self, do: Callable[[Tip], None]) -> None:
        """Call `do` with the tip after each block, in the thread that commits; one at a time."""
        self._after_move = do

    def wait_above(self, height: int, timeout_s: float) -> Tip:
        """Wait until the tip is above `height`, at most `timeout_s`; returns the tip either way."""
        with self._moved:
            self._moved.wait_for(lambda: self._tip.height > height, timeout_s)
            return self._tip

    def record(self, height: int) -> BlockRecord:
        """The journal's record of a block; raises Problem BlockUnknown."""
        return read_record(self.record_bytes(height))

    def record_bytes(self, height: int) -> bytes:
        """The record as the journal holds it; raises Problem BlockUnknown."""
        try:
            return self._journal.read(height)
        except KeyError:
            self.start.check_height(height)
            raise Problem(
                Category.NOT_FOUND,
                "BlockUnknown",
                f"expected a height of 1 to {self._tip.height}, found {height}",
            ) from None

    def receipts(self, height: int) -> StoredReceipts:
        """The receipts of a block; raises Problem BlockUnknown."""
        data = self._store.extra("receipts", height.to_bytes(8, "big"))
        if data is None:
            self.start.check_height(height)
            raise Problem(Category.NOT_FOUND, "BlockUnknown", f"no block at height {height}")
        return read_receipts(data)

    def entries(self, height: int) -> list[bytes]:
        """The log entries of a block, in order; of height 0 the genesis entry."""
        if height == 0:
            genesis = self._store.extra("meta", GENESIS_ENTRY)
            return [] if genesis is None else [genesis]
        return entries_of(self.machine.form, self.record(height), self.receipts(height))

    def find(self, transaction_id: bytes) -> tuple[int, int] | None:
        """(height, position) of a transaction, or None if it is in no block."""
        value = self._store.extra("index", transaction_id)
        if value is None:
            self.start.check_complete()
        return None if value is None else read_index(value)

    def prove(self, state_key: bytes, height: int) -> tuple[bytes | None, bytes]:
        """The row (or None) after a recent block, and its proof of inclusion (or absence)."""
        return self._store.prove(state_key, height)

    def path(self, index: int, size: int) -> list[bytes]:
        """Inclusion path of a log entry in the log of `size`."""
        self.start.check_entry(index)
        return self._log_files.path(index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the log of `new` entries extends that of `old`."""
        self.start.check_size(old)
        return self._log_files.consistency(old, new)

    def log_root(self, size: int) -> bytes:
        """Root of the log when it had `size` entries."""
        self.start.check_size(size)
        return self._log_files.root(size)

    def height_of_entry(self, index: int) -> int:
        """Height of the block that holds a log entry; 0 for the genesis entry. O(log height)."""
        self.start.check_entry(index)
        heights = range(self.start.height, self._journal.tip_height + 1)
        return self.start.height + bisect_right(heights, index, key=self._log_size_after)

    @property
    def storage_full(self) -> bool:
        """Whether the disk is nearly full; then take no transactions."""
        return self._room.short or self._journal.storage_full

    def make_room(self) -> None:
        """Try again to get room for the journal; called by the thread that commits."""
        if not self._room.short:
            self._journal.prepare_spare()

    def close(self) -> None:
        """Flush and close; the next start is quick."""
        self._opened.close()

    def _start(self) -> None:
        if self._store.tip_height < 0:
            self._make_genesis()
        else:
            self._resume()
        for height, payload in self._journal.records(after=self._tip.height):
            self._replay(height, read_record(payload))
        log.info("ledger.open", height=self._tip.height, log_size=self._tip.log_size)

    def _make_genesis(self) -> None:
        rows = genesis_file.first_rows(self.machine, self.genesis)
        time_ms = genesis_file.read_genesis(self.genesis).time_ms
        staged = self._store.stage(rows)
        sealed = seal_genesis(self.network, staged.root, time_ms)
        self._log_files.truncate(0)
        self._log_files.append(sealed.leaf_hashes)
        self._log_files.sync()
        extras = [("meta", GENESIS_ENTRY, sealed.entries[0])]
        self._move(0, time_ms, sealed, staged, extras)
        self._store.flush()

    def _resume(self) -> None:
        meta = codec.decode(self._store.base_meta, StoreMeta)
        height = self._store.base_height
        if max(self._journal.tip_height, self.start.height) < height:
            raise Fault(
                f"the journal ends at {self._journal.tip_height}, the state at {height}: "
                "acknowledged blocks are missing. Restore the journal from a backup or another "
                "member (`salus repair`)."
            )
        self._check_genesis()
        self._refill_log(meta.log_size)
        self._frontier = self._log_files.frontier()
        if self._frontier.root != meta.log_root:
            raise Fault("the log files differ from the state's note: run `salus repair`")
        self._tip = Tip(
            height, meta.time_ms, meta.log_size, meta.log_root, self._store.root, meta.app
        )

    def _check_genesis(self) -> None:
        (data,) = self.entries(0)
        if codec.decode(data, GenesisEntry).network != self.network:
            raise genesis_differs(codec.decode(data, GenesisEntry).network, self.network)

    def _refill_log(self, size: int) -> None:
        """Bring the log files to the base's size; they are not synced with each block."""
        log_files = self._log_files
        log_files.truncate(min(log_files.synced_size, size))
        while log_files.size < size:
            height = self.height_of_entry(log_files.size)
            hashes = [merkle.leaf_hash(entry) for entry in self.entries(height)]
            known = len(hashes) - (self._log_size_after(height) - log_files.size)
            log_files.append(hashes[known:])

    def _log_size_after(self, height: int) -> int:
        return self.start.log_size if height == self.start.height else self.record(height).log_size

    def _replay(self, height: int, record: BlockRecord) -> None:
        signatures = [result.code != SignatureInvalid.number for result in record.results]
        executed = self.execute(record.block, signatures=signatures)
        if executed.sealed.app_hash != record.app:
            raise Fault(
                f"block {height}: expected app hash {record.app.hex()}, "
                f"found {executed.sealed.app_hash.hex()}. The program or the data differ from what "
                "wrote the journal: do not go on; run `salus audit`."
            )
        self._apply(executed)

    @traces.spanned("block.apply")
    def _apply(self, executed: Executed) -> None:
        outcome = executed.outcome
        height = outcome.height
        stored = StoredReceipts(events=outcome.events, receipts=outcome.receipts)
        extras = [("receipts", height.to_bytes(8, "big"), codec.encode(stored))]
        extras += self._index_rows(outcome)
        self._log_files.append(executed.sealed.leaf_hashes)
        unsynced = self._log_files.size - self._log_files.synced_size
        if height % LOG_SYNC_BLOCKS == 0 or unsynced > LOG_SYNC_ENTRIES:
            self._log_files.sync()
        replay_bytes = sum(map(len, outcome.txs))
        self._move(height, outcome.time_ms, executed.sealed, executed.staged, extras, replay_bytes)

    def _index_rows(self, outcome: Outcome) -> list[tuple[str, bytes, bytes]]:
        """One row an id; a copy refused by codes 1-14 never hides the one that was executed."""
        rows: dict[bytes, bytes] = {}
        for position, (tx_id, receipt) in enumerate(
            zip(outcome.ids, outcome.receipts, strict=True)
        ):
            unspent = 0 < receipt.code <= LAST_UNSPENT
            if unspent and (tx_id in rows or self._store.extra("index", tx_id) is not None):
                continue
            rows[tx_id] = index_value(outcome.height, position)
        return [("index", tx_id, value) for tx_id, value in rows.items()]

    def _move(
        self,
        height: int,
        time_ms: int,
        sealed: SealedBlock,
        staged: Staged,
        extras: Sequence[tuple[str, bytes, bytes]],
        replay_bytes: int = 0,
    ) -> None:
        tip = tip_after(height, time_ms, sealed)
        meta = codec.encode(meta_of(tip))
        with self._moving:
            self._store.push(height, staged, extras, meta, replay_bytes=replay_bytes)
            invariant(staged.root == sealed.state_root, "the staged root is not the sealed one")
            self._frontier = sealed.frontier
            with self._moved:
                self._tip = tip
                self._moved.notify_all()
        self._after_move(tip)


def _nothing(_tip: Tip) -> None:
    """Nobody wants to know."""
