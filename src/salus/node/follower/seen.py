"""A block as read models see it: messages and events decoded, refused transactions included."""

from collections.abc import Sequence
from dataclasses import dataclass

from salus.base.entry import UNREADABLE_CODE_MAX
from salus.base.hashing import sha256
from salus.machine.module import Event, Message
from salus.node.ledger import Ledger


@dataclass(frozen=True)
class TransactionSeen:
    """One transaction of a block."""

    id: bytes
    """Transaction id; of an unreadable envelope its hash."""

    signer: bytes
    """Key id, 16 B; zeros if unreadable."""

    code: int
    log_index: int
    messages: Sequence[Message]
    events: Sequence[Event]


@dataclass(frozen=True)
class BlockSeen:
    """One block."""

    height: int
    time_ms: int
    transactions: Sequence[TransactionSeen]


def see(ledger: Ledger, height: int) -> BlockSeen:
    """Read a block from the journal and its receipts."""
    record = ledger.record(height)
    receipts = ledger.receipts(height).receipts
    seen = []
    for position, (data, receipt) in enumerate(zip(record.txs, receipts, strict=True)):
        events = [ledger.machine.read_event(event) for event in receipt.events]
        index = record.first_index + position
        if 0 < receipt.code <= UNREADABLE_CODE_MAX:
            seen.append(TransactionSeen(sha256(data), bytes(16), receipt.code, index, (), events))
            continue
        parsed = ledger.machine.form.read(data)
        seen.append(
            TransactionSeen(parsed.id, parsed.key_id, receipt.code, index, parsed.messages, events)
        )
    return BlockSeen(height, record.time_ms, seen)
