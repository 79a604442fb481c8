"""What members vote into being about consent: who holds the seats of witnesses (corrections 8)."""

from typing import Annotated

import msgspec

from salus.machine.context import Context
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


def check_set_seats(ctx: Context, action: SetSeats) -> None:
    """Refuses: SeatsInvalid, SeatHolderInactive."""
    if not rules.are_seats(action.holders):
        raise refusals.SeatsInvalid
    for holder in action.holders:
        if not members.active(ctx, holder.member):
            raise refusals.SeatHolderInactive(member=holder.member)


def set_seats(ctx: Context, action: SetSeats) -> None:
    """Write the next version, 1, 2, 3 …, and let batches name it."""
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


ACTIONS: dict[type[Action], ActionRule] = {
    SetSeats: ActionRule(check_set_seats, set_seats, lambda _action: None),
}
