"""What governance remembers."""

from typing import Annotated, Literal

import msgspec

from salus.base.codec import Struct
from salus.base.types import Height, Id16, Int, MemberId, TimeMs
from salus.state.tables import Table, raw, text

Status = Literal["open", "accepted", "rejected", "withdrawn", "applied", "failed"]
"""`open` also after `closes_ms`; the time decides. The last two follow from `accepted` when due."""

ActionBytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=3 * 1024)]
"""One canonical action; 16 of them and all votes fit a row of 64 KiB."""

Actions = Annotated[list[ActionBytes], msgspec.Meta(min_length=1, max_length=16)]


class Proposal(Struct, frozen=True):
    """What a member asked the others to decide."""

    proposer: MemberId
    actions: Actions
    closes_ms: TimeMs
    """Last block time at which a vote counts."""

    yes: list[MemberId]
    no: list[MemberId]
    """Who voted how, in that order; who still counts is decided from the roster at each vote."""

    status: Status
    activation_height: Height | None = None
    subject: MemberId | None = None
    """The member its one action is about, who has no vote."""


class Open(Struct, frozen=True):
    """Proposals of one member that were open when it last proposed; at most 4."""

    proposals: list[Id16]


class Due(Struct, frozen=True):
    """An accepted proposal and the height from which it is carried out."""

    height: Height
    proposal: Id16


class AgendaRow(Struct, frozen=True):
    """What falls due; by height, then in order of acceptance. At most 64."""

    entries: list[Due]


class Setting(Struct, frozen=True):
    """A parameter's value."""

    value: Int


PROPOSAL = Table(2, 1, "governance.proposal", Proposal, (raw("proposal", 16),))
AGENDA = Table(2, 2, "governance.agenda", AgendaRow)
PARAMETER = Table(2, 3, "governance.parameter", Setting, (text("name"),))
OPEN = Table(2, 4, "governance.open", Open, (raw("member", 16),))

TABLES = (PROPOSAL, AGENDA, PARAMETER, OPEN)
