"""
The vault's follower: which batches the ledger's blocks committed, read from their receipts.

Of the blocks before a snapshot there are none: their batches are read from the state, with the
snapshot's height. Once the history is whole, all blocks are read, and each batch has its own.
"""

from collections.abc import Iterator

from salus.base import codec
from salus.modules.records.events import BatchCommitted
from salus.modules.records.state import BATCH
from salus.node.ledger import Ledger
from salus.node.vault.index import Index

_NAME = b"records.batch_committed"


def follow(ledger: Ledger, index: Index) -> None:
    """Read the blocks since; each is noted with the batches it committed."""
    start = ledger.start.height
    if start == 0 and index.begun_from_state:
        index.begin(from_state=False)
    if index.height() < start:
        index.begin(from_state=True)
        index.commit(start, list(_restored(ledger)))
    for height in range(index.height() + 1, ledger.tip.height + 1):
        events = list(_committed(ledger, height))
        index.commit(height, [(event.batch, event.root, event.author) for event in events])


def _restored(ledger: Ledger) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Every batch of the state; those of later blocks are noted again with their own height."""
    for state_key, value in ledger.copy_state().rows:
        if state_key.startswith(BATCH.prefix):
            row = BATCH.decode(value)
            yield state_key[len(BATCH.prefix) :], row.root, row.author


def _committed(ledger: Ledger, height: int) -> Iterator[BatchCommitted]:
    for receipt in ledger.receipts(height).receipts:
        for event in receipt.events if receipt.code == 0 else ():
            if _NAME in event:
                yield codec.decode(event, BatchCommitted)
