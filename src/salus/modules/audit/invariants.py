"""What is always true of audit."""

from collections.abc import Mapping, Sequence

from salus.base.errors import invariant
from salus.modules.audit.events import LineRecorded
from salus.modules.audit.state import Author


def lines_are_counted(
    authors: Mapping[bytes, Author], told: Mapping[bytes, Sequence[LineRecorded]]
) -> None:
    """Each author's events run 1, 2, 3 … up to its row. Both maps go by key id."""
    for key_id, row in authors.items():
        numbers = [event.line for event in told.get(key_id, ())]
        invariant(numbers == list(range(1, row.lines + 1)), "audit: a gap in an author's lines")
