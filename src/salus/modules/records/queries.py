"""What may be read of records."""

from salus.machine.context import View
from salus.modules.governance import queries as governance
from salus.modules.members import queries as members
from salus.modules.records import rules
from salus.modules.records.state import BATCH, Batch


def batch(view: View, batch: bytes) -> Batch | None:
    """A committed batch, or None."""
    return view.read(BATCH, batch)


def copies_needed(view: View) -> int:
    """How many members must hold a batch now."""
    copies = governance.parameter(view, rules.COPIES)
    return rules.copies_needed(len(members.roster(view)), copies)


QUERIES = (batch, copies_needed)
