"""How governance decides; pure."""

from collections.abc import Collection, Sequence
from typing import Literal

from salus.base.types import DAY_MS, HOUR_MS
from salus.modules.governance.state import Due, Proposal

OPEN_MAX = 4
"""Open proposals a member may have, so that none can flood the others."""

AGENDA_MAX = 64
"""Accepted proposals that wait; bounds what one block must do at its start."""

OPEN_MS_MIN = HOUR_MS
OPEN_MS_MAX = 30 * DAY_MS
"""Voting lasts 1 hour to 30 days."""

ACTIVATION_AHEAD_MIN = 2
"""Blocks between acceptance and deed: CometBFT applies a change of validators at H + 2."""

ACTIVATION_AHEAD_MAX = 1_000_000

VALIDATORS_MIN = 4
"""The smallest network that tolerates one faulty member: n = 3f + 1."""

Verdict = Literal["open", "accepted", "rejected"]


def verdict(proposal: Proposal, roster: Collection[bytes]) -> Verdict:
    """
    Count the votes of those who may vote now: the active members but the subject.

    Accepted when 3 · yes > 2 · eligible; rejected once that cannot be reached.
    """
    eligible = [member for member in roster if member != proposal.subject]
    yes = sum(member in proposal.yes for member in eligible)
    no = sum(member in proposal.no for member in eligible)
    if 3 * yes > 2 * len(eligible):
        return "accepted"
    if 3 * (len(eligible) - no) <= 2 * len(eligible):
        return "rejected"
    return "open"


def is_open(proposal: Proposal, now_ms: int) -> bool:
    """Whether votes still count."""
    return proposal.status == "open" and now_ms <= proposal.closes_ms


def is_close_time(closes_ms: int, now_ms: int) -> bool:
    """Whether voting lasts 1 hour to 30 days."""
    return OPEN_MS_MIN <= closes_ms - now_ms <= OPEN_MS_MAX


def is_activation(activation_height: int | None, height: int) -> bool:
    """Whether a proposal may ask for this height; none is asked for with None."""
    if activation_height is None:
        return True
    return ACTIVATION_AHEAD_MIN <= activation_height - height <= ACTIVATION_AHEAD_MAX


def due_height(proposal: Proposal, height: int) -> int:
    """From which height a proposal accepted in this block is carried out."""
    return max(height + ACTIVATION_AHEAD_MIN, proposal.activation_height or 0)


def with_due(entries: Sequence[Due], due: Due) -> list[Due]:
    """The agenda with one more entry: by height, later accepted ones behind."""
    return sorted([*entries, due], key=lambda entry: entry.height)


def with_vote(voters: Sequence[bytes], member: bytes, *, voted: bool) -> list[bytes]:
    """One side's voters after a member's vote: with it at the end, or without it."""
    others = [one for one in voters if one != member]
    return [*others, member] if voted else others
