"""
A state to query from outside: what was asked is checked before it becomes a key.

Inside the machine a key of a wrong width is a bug; at a door it is a caller's slip.
"""

from salus.base.errors import Category, Problem
from salus.machine.context import View
from salus.state.tables import VARIABLE_BYTES_MAX, Part, Row, Table


class CheckedView:
    """A `View` whose `read` raises Problem KeyMalformed for parts that fit no key."""

    def __init__(self, view: View) -> None:
        """`view`: the node's newest state."""
        self._view = view
        self.network = view.network
        self.height = view.height
        self.time_ms = view.time_ms

    def read(self, table: Table[Row], *parts: int | str | bytes) -> Row | None:
        """The row with this key, or None; raises Problem KeyMalformed."""
        for part, value in zip(table.parts, parts, strict=True):
            if not _fits(part, value):
                raise Problem(
                    Category.MALFORMED,
                    "KeyMalformed",
                    f"{table.name}, {part.name}: expected {_words(part)}",
                )
        return self._view.read(table, *parts)


def _fits(part: Part, value: int | str | bytes) -> bool:
    if isinstance(value, int):
        return part.is_number and 0 <= value < 256**part.width
    size = len(value.encode() if isinstance(value, str) else value)
    if part.is_number:
        return False
    return size == part.width if part.width else 0 < size <= VARIABLE_BYTES_MAX


def _words(part: Part) -> str:
    if part.is_number:
        return f"a number below 2^{8 * part.width}"
    return f"{part.width} bytes" if part.width else f"1 to {VARIABLE_BYTES_MAX} bytes of text"
