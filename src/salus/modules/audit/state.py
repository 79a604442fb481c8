"""What audit remembers."""

from salus.base.codec import Struct
from salus.base.types import Count
from salus.state.tables import Table, number, raw

ACTIVITY = 1
RESOURCE = 2
"""Kinds of terms."""


class Term(Struct, frozen=True):
    """A number's text."""

    text: str


class Author(Struct, frozen=True):
    """How much one key has recorded."""

    lines: Count


TERM = Table(9, 1, "audit.term", Term, (number("kind", 1), number("number", 2)))
AUTHOR = Table(9, 2, "audit.author", Author, (raw("key_id", 16),))
