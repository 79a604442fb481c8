"""
Log entries, rebuilt from a block's record and receipts: they are stored nowhere else.

The log holds only their hashes; whoever proves a claim needs the entry's bytes.
"""

from salus.base import codec, merkle
from salus.base.entry import UNREADABLE_CODE_MAX, BlockEntry, TransactionEntry
from salus.base.hashing import sha256
from salus.machine.transaction import Form
from salus.node.record import BlockRecord, StoredReceipts

_ZERO_SIGNER = bytes(16)


def entries_of(form: Form, record: BlockRecord, stored: StoredReceipts) -> list[bytes]:
    """The canonical entries of a block, in log order; none for an empty block."""
    entries = [
        _transaction_entry(form, record, stored, position) for position in range(len(record.txs))
    ]
    if entries or stored.events or record.evidence:
        entry = BlockEntry(
            events=record.events,
            height=record.height,
            state=record.state,
            time_ms=record.time_ms,
            transactions=len(record.txs),
        )
        entries.append(codec.encode(entry))
    return entries


def _transaction_entry(
    form: Form, record: BlockRecord, stored: StoredReceipts, position: int
) -> bytes:
    data = record.txs[position]
    result = record.results[position]
    signer, messages = _ZERO_SIGNER, []
    if not 0 < result.code <= UNREADABLE_CODE_MAX:
        transaction = form.read(data)
        signer, messages = transaction.key_id, transaction.message_bytes
    entry = TransactionEntry(
        code=result.code,
        event_count=len(stored.receipts[position].events),
        events=result.events,
        height=record.height,
        message_count=len(messages),
        messages=merkle.root(messages),
        signer=signer,
        time_ms=record.time_ms,
        tx=sha256(data),
    )
    return codec.encode(entry)
