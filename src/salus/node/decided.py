"""
What a block decided of a transaction, looked up by the transaction's id.

A transaction that is decided while its caller waits brings its end along; this is for who comes
later, with the same bytes or with the id alone, and for a copy that follows another's blocks.
"""

from functools import lru_cache

from salus.machine.refusals import LAST_UNSPENT
from salus.node.ledger import Ledger
from salus.node.mempool import Done

PLACES_KEPT = 256
"""Blocks whose place in the log is remembered; who asks, asks for the newest."""


class Decided:
    """Thread-safe; as good as the ledger's copy."""

    def __init__(self, ledger: Ledger) -> None:
        """`ledger`: where blocks are."""
        self._ledger = ledger
        self._first_index = lru_cache(PLACES_KEPT)(self._read_first_index)

    def find(self, transaction_id: bytes) -> Done | None:
        """What a block decided, whatever it was; None if no block here holds it."""
        found = self._ledger.find(transaction_id)
        if found is None:
            return None
        height, position = found
        receipt = self._ledger.receipts(height).receipts[position]
        index = self._first_index(height) + position
        return Done(transaction_id, height, position, index, receipt)

    def spent(self, transaction_id: bytes) -> Done | None:
        """What a block decided, if its nonce was spent by it: then it is never decided again."""
        done = self.find(transaction_id)
        if done is not None and 0 < done.receipt.code <= LAST_UNSPENT:
            return None
        return done

    def _read_first_index(self, height: int) -> int:
        return self._ledger.record(height).first_index
