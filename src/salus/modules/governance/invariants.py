"""What is always true of governance."""

from collections.abc import Collection, Mapping, Sequence

from salus.base.errors import invariant
from salus.machine.module import Parameter
from salus.modules.governance import rules
from salus.modules.governance.state import Due, Open, Proposal, Setting


def agenda_holds_the_accepted(
    proposals: Mapping[bytes, Proposal], agenda: Sequence[Due], height: int
) -> None:
    """The agenda lists each accepted proposal once, by height, above the block's; at most 64."""
    accepted = sorted(name for name, row in proposals.items() if row.status == "accepted")
    listed = sorted(entry.proposal for entry in agenda)
    invariant(listed == accepted, "governance: the agenda differs from the accepted proposals")
    heights = [entry.height for entry in agenda]
    invariant(heights == sorted(heights), "governance: the agenda is out of order")
    invariant(all(due > height for due in heights), "governance: what fell due was not done")
    invariant(len(agenda) <= rules.AGENDA_MAX, "governance: the agenda is too long")


def votes_are_lawful(proposals: Mapping[bytes, Proposal], admitted: Collection[bytes]) -> None:
    """Each member stands on one side once, and never on its own proposal as subject."""
    for row in proposals.values():
        voters = [*row.yes, *row.no]
        invariant(len(set(voters)) == len(voters), "governance: a member voted twice")
        invariant(set(voters) <= set(admitted), "governance: a stranger voted")
        invariant(row.subject not in voters, "governance: a subject voted")
        invariant(row.subject is None or len(row.actions) == 1, "governance: a subject in company")


def open_ones_are_known(
    proposals: Mapping[bytes, Proposal], opens: Mapping[bytes, Open], now_ms: int
) -> None:
    """Every proposal on which votes count is listed under its proposer; at most 4 each."""
    for name, row in proposals.items():
        mine = opens.get(row.proposer)
        listed = mine is not None and name in mine.proposals
        open_now = rules.is_open(row, now_ms)
        invariant(listed or not open_now, "governance: an open proposal is not listed")
    most = max((len(row.proposals) for row in opens.values()), default=0)
    invariant(most <= rules.OPEN_MAX, "governance: too many open proposals")


def parameters_are_in_range(
    settings: Mapping[str, Setting], declared: Mapping[str, Parameter]
) -> None:
    """Every declared parameter has a value inside its range, and no other has one."""
    invariant(set(settings) == set(declared), "governance: a parameter without row, or a stranger")
    for name, setting in settings.items():
        fits = declared[name].least <= setting.value <= declared[name].most
        invariant(fits, f"governance: {name} is out of range")
