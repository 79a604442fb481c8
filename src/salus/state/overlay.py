"""
One block's changes over the committed state, with one transaction's on top.

A refused transaction leaves nothing behind: `rollback` forgets what it wrote. Rows are frozen, so
reading hands out the very row that was written.
"""

from collections.abc import Callable, Mapping
from typing import Any

from salus.base.codec import Struct
from salus.base.errors import invariant
from salus.state.tables import Row, Table


class Overlay:
    """Reads fall through transaction, block and committed state; writes stay in the uppermost."""

    __slots__ = ("_block", "_committed", "_encoded", "_read", "_transaction")

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        """`read`: state key -> value at the committed tip, or None."""
        self._read = read
        self._committed: dict[bytes, Struct | None] = {}
        self._block: dict[bytes, Struct | None] = {}
        self._encoded: dict[bytes, bytes | None] = {}
        self._transaction: dict[bytes, tuple[Table[Any], Struct | None]] | None = None

    def read(self, table: Table[Row], key: bytes) -> Row | None:
        """The row under a state key, or None."""
        if self._transaction is not None:
            change = self._transaction.get(key)
            if change is not None:
                return change[1]  # type: ignore[return-value]  # the key's prefix names the table
        if key in self._block:
            return self._block[key]  # type: ignore[return-value]  # as above
        if key in self._committed:
            return self._committed[key]  # type: ignore[return-value]  # as above
        value = self._read(key)
        row = None if value is None else table.decode(value)
        self._committed[key] = row
        return row

    def write(self, table: Table[Row], key: bytes, row: Row | None) -> None:
        """Put a row, or take it away with None."""
        if self._transaction is None:
            self._encoded[key] = None if row is None else table.encode(row)
            self._block[key] = row
        else:
            self._transaction[key] = (table, row)

    def begin(self) -> None:
        """Start one transaction's changes; there is one at a time."""
        invariant(self._transaction is None, "a transaction inside a transaction")
        self._transaction = {}

    def commit(self) -> None:
        """Keep the transaction's changes in the block: all, or none if a row cannot be stored."""
        if self._transaction:
            self._keep(self._transaction)
        self._transaction = None

    def rollback(self) -> None:
        """Forget the transaction's changes."""
        self._transaction = None

    def changes(self) -> dict[bytes, bytes | None]:
        """All changes of the block: state key -> canonical value, None for a row taken away."""
        return dict(self._encoded)

    def _keep(self, changes: Mapping[bytes, tuple[Table[Any], Struct | None]]) -> None:
        # Encoded here, not at the block's end: a row that cannot be is its own transaction's bug.
        encoded = {
            key: None if row is None else table.encode(row) for key, (table, row) in changes.items()
        }
        self._encoded.update(encoded)
        for key, (_, row) in changes.items():
            self._block[key] = row
