"""The first seats, from the genesis file's section `consent`."""

from typing import Annotated

import msgspec

from salus.base.errors import Refusal
from salus.machine.context import Context
from salus.modules.consent.actions import SetSeats, check_set_seats, set_seats
from salus.modules.consent.state import Holder, SeatNumber


class GenesisSeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seat as the file holds it."""

    member: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    """Member id, 16 B in hex."""

    x: SeatNumber


def first_seats(ctx: Context, section: object) -> None:
    """
    Set version 1 of the seats; without the section no batch is valid until a vote sets them.

    Raises msgspec.ValidationError for another form, ValueError for what a vote would refuse.
    """
    if section is None:
        return
    seats = msgspec.convert(section, list[GenesisSeat])
    holders = [Holder(member=bytes.fromhex(seat.member), x=seat.x) for seat in seats]
    action = SetSeats(holders=holders)
    try:
        check_set_seats(ctx, action)
    except Refusal as refusal:
        raise ValueError(str(refusal)) from refusal
    set_seats(ctx, action)
