"""What may be read of governance."""

from salus.machine.context import View
from salus.modules.governance import rules
from salus.modules.governance.refusals import ParameterUnknown
from salus.modules.governance.state import AGENDA, OPEN, PARAMETER, PROPOSAL, Due, Proposal


def parameter(view: View, name: str) -> int:
    """The value of a declared parameter; refuses with ParameterUnknown."""
    row = view.read(PARAMETER, name)
    if row is None:
        raise ParameterUnknown
    return row.value


def lifetime_ms(view: View) -> int:
    """How long a transaction may wait."""
    return parameter(view, "machine.lifetime_ms")


def proposal(view: View, proposal_id: bytes) -> Proposal | None:
    """A proposal in whatever status, or None."""
    return view.read(PROPOSAL, proposal_id)


def open_proposals(view: View, member: bytes) -> list[bytes]:
    """Ids of a member's proposals on which votes still count, oldest first."""
    row = view.read(OPEN, member)
    return [] if row is None else [one for one in row.proposals if _is_open(view, one)]


def agenda(view: View) -> list[Due]:
    """What is accepted and not yet carried out, by height."""
    row = view.read(AGENDA)
    return [] if row is None else row.entries


def _is_open(view: View, proposal_id: bytes) -> bool:
    row = view.read(PROPOSAL, proposal_id)
    return row is not None and rules.is_open(row, view.time_ms)
