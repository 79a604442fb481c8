"""The vault's follower: which batches the ledger's blocks committed, read from their receipts."""

from collections.abc import Iterator

from salus.base import codec
from salus.modules.records.events import BatchCommitted
from salus.node.ledger import Ledger
from salus.node.vault.index import Index

_NAME = b"records.batch_committed"


def follow(ledger: Ledger, index: Index) -> None:
    """Read the blocks since; each is noted with the batches it committed."""
    for height in range(index.height() + 1, ledger.tip.height + 1):
        events = list(_committed(ledger, height))
        index.commit(height, [(event.batch, event.root, event.author) for event in events])


def _committed(ledger: Ledger, height: int) -> Iterator[BatchCommitted]:
    for receipt in ledger.receipts(height).receipts:
        for event in receipt.events if receipt.code == 0 else ():
            if _NAME in event:
                yield codec.decode(event, BatchCommitted)
