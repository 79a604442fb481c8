"""
What the journal holds of a block: its input, and what executing it must give again.

Transactions stand as they came; results let a replay skip signature checks; app hash, log and state
root are what every copy of the ledger compares.
"""

from salus.base import codec, merkle
from salus.base.codec import Struct
from salus.base.entry import TransactionEntry
from salus.base.types import Count, Hash32, Height, TimeMs
from salus.machine.block import Block, Evidence, Outcome, Receipt, SealedBlock


class Result(Struct, frozen=True):
    """One transaction's receipt, its events as their root."""

    code: Count
    events: Hash32


class BlockRecord(Struct, frozen=True):
    """The journal's payload (`ledger.md` §3.5)."""

    app: Hash32
    events: Hash32
    """RFC 6962 root over the block's own events."""

    evidence: list[Evidence]
    height: Height
    log_root: Hash32
    log_size: Count
    results: list[Result]
    state: Hash32
    time_ms: TimeMs
    txs: list[bytes]

    @property
    def block(self) -> Block:
        """The machine's input."""
        return Block(evidence=self.evidence, height=self.height, time_ms=self.time_ms, txs=self.txs)

    @property
    def first_index(self) -> int:
        """Log index of the block's first entry; meaningless for a block without entries."""
        return self.log_size - len(self.txs) - 1


class StoredReceipts(Struct, frozen=True):
    """All receipts of one block, and its own events."""

    events: list[bytes]
    receipts: list[Receipt]


def record_of(block: Block, outcome: Outcome, sealed: SealedBlock) -> BlockRecord:
    """The record of an executed block."""
    return BlockRecord(
        app=sealed.app_hash,
        events=merkle.root(outcome.events),
        evidence=block.evidence,
        height=block.height,
        log_root=sealed.log_root,
        log_size=sealed.log_size,
        results=[
            Result(code=receipt.code, events=_events_root(entry))
            for receipt, entry in zip(outcome.receipts, outcome.entries, strict=True)
        ],
        state=sealed.state_root,
        time_ms=block.time_ms,
        txs=outcome.txs,
    )


def _events_root(entry: bytes) -> bytes:
    """The root over a transaction's events: its log entry has it, so nothing is hashed twice."""
    read: TransactionEntry = codec.decode_loose(entry, TransactionEntry)
    return read.events


def read_record(payload: bytes) -> BlockRecord:
    """Decode a journal payload that passed its CRC and chain."""
    record: BlockRecord = codec.decode_loose(payload, BlockRecord)
    return record


def read_receipts(data: bytes) -> StoredReceipts:
    """Decode one block's stored receipts."""
    stored: StoredReceipts = codec.decode_loose(data, StoredReceipts)
    return stored


def index_value(height: int, position: int) -> bytes:
    """Where a transaction stands: height u64 ‖ position u32."""
    return height.to_bytes(8, "big") + position.to_bytes(4, "big")


def read_index(value: bytes) -> tuple[int, int]:
    """(height, position) of an index value."""
    return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:12], "big")
