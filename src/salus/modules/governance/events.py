"""What governance tells."""

from salus.base.types import U8, Count, Height, Id16, MemberId
from salus.machine.module import Event


class Proposed(Event, frozen=True, tag="governance.proposed"):
    """A member asks the others to decide."""

    proposal: Id16
    proposer: MemberId


class Voted(Event, frozen=True, tag="governance.voted"):
    """A member has voted."""

    proposal: Id16
    member: MemberId
    yes: bool


class Accepted(Event, frozen=True, tag="governance.accepted"):
    """Enough yes; carried out at the start of the first block at or above this height."""

    proposal: Id16
    height: Height


class Rejected(Event, frozen=True, tag="governance.rejected"):
    """Yes can no longer win."""

    proposal: Id16


class Withdrawn(Event, frozen=True, tag="governance.withdrawn"):
    """Its proposer took it back."""

    proposal: Id16


class Applied(Event, frozen=True, tag="governance.applied"):
    """All actions of an accepted proposal were carried out."""

    proposal: Id16


class ActionsFailed(Event, frozen=True, tag="governance.actions_failed"):
    """An action could no longer be done, so none was."""

    proposal: Id16
    position: U8
    code: Count
    """The action's own refusal: module × 1000 + number."""


EVENTS = (Proposed, Voted, Accepted, Rejected, Withdrawn, Applied, ActionsFailed)
