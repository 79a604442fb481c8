"""What may be read of audit."""

from salus.machine.context import View
from salus.modules.audit.state import AUTHOR, TERM, Author, Term


def term(view: View, kind: int, number: int) -> Term | None:
    """The text of an activity (kind 1) or resource (kind 2), or None."""
    return view.read(TERM, kind, number)


def author(view: View, key_id: bytes) -> Author | None:
    """How many lines a key (its id, 16 B) has recorded; None if none."""
    return view.read(AUTHOR, key_id)
