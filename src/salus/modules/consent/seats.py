"""The seats of witnesses: set by genesis, then changed by vote (corrections 8)."""

from typing import Annotated

import msgspec

from salus.machine.context import Context, View
from salus.machine.module import Action, ActionRule
from salus.modules.consent import refusals, rules
from salus.modules.consent.events import SeatsSet
from salus.modules.consent.queries import seats_current
from salus.modules.consent.state import SEATS, SEATS_CURRENT, Holder, Seats, SeatsCurrent
from salus.modules.members import queries as members


class SetSeats(Action, frozen=True, tag="consent.set_seats"):
    """Let these members hold the seats from now on; a seat number is for life."""

    holders: Annotated[list[Holder], msgspec.Meta(max_length=rules.SEATS_MAX)]
    """All seats, ascending by x. A new holder takes over the seat's shares from the old one."""


def validate(view: View, action: SetSeats) -> None:
    """Refuse seats that cannot be set; in this order: SeatsInvalid, SeatHolderInactive."""
    if not rules.are_seats(action.holders):
        raise refusals.SeatsInvalid
    for holder in action.holders:
        if not members.active(view, holder.member):
            raise refusals.SeatHolderInactive(member=holder.member)


def apply(ctx: Context, action: SetSeats) -> None:
    """Write the next version; emits `SeatsSet`."""
    current = seats_current(ctx)
    version = 1 if current is None else current[0] + 1
    seats = Seats(
        active_from_ms=ctx.time_ms,
        holders=action.holders,
        threshold=rules.threshold(len(action.holders)),
    )
    ctx.write(SEATS, seats, version)
    ctx.write(SEATS_CURRENT, SeatsCurrent(version=version))
    ctx.emit(SeatsSet(version=version))


def genesis(ctx: Context, section: object) -> None:
    """
    Set the first seats: a list of {x, member}, `member` the id in hex; absent: no seats yet.

    Raises msgspec.ValidationError, ValueError (hex, or what `validate` refuses).
    """
    if section is None:
        return
    rows = msgspec.convert(section, list[_GenesisSeat])
    action = SetSeats(holders=[Holder(member=bytes.fromhex(one.member), x=one.x) for one in rows])
    try:
        validate(ctx, action)
    except (refusals.SeatsInvalid, refusals.SeatHolderInactive) as refusal:
        raise ValueError(str(refusal)) from None
    apply(ctx, action)


class _GenesisSeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    member: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    x: Annotated[int, msgspec.Meta(ge=1, le=255)]


def _nobody(_action: SetSeats) -> None:
    """No member is the subject: all vote."""


RULE = ActionRule(validate=validate, apply=apply, subject=_nobody)
