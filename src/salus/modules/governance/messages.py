"""What may be asked of governance."""

from salus.base.types import Height, Id16, TimeMs
from salus.machine.module import Message
from salus.modules.governance.state import Actions


class Propose(Message, frozen=True, tag="governance.propose"):
    """Ask all members to decide; it is the proposer's own yes, unless the action is about it."""

    proposal: Id16
    """Random; the proposal's name."""

    actions: Actions
    """Canonical actions, done in this order, all or none; one about a member stands alone."""

    closes_ms: TimeMs
    """Last block time at which a vote counts; 1 hour to 30 days ahead."""

    activation_height: Height | None = None
    """Done at this height at the earliest; 2 to 1,000,000 ahead."""


class Vote(Message, frozen=True, tag="governance.vote"):
    """Say yes or no to an open proposal; a later vote replaces an earlier one."""

    proposal: Id16
    yes: bool


class Withdraw(Message, frozen=True, tag="governance.withdraw"):
    """Take back one's own open proposal."""

    proposal: Id16
