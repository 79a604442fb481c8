"""What an operator asks for, from the words people use to the gateway's own."""

import datetime as dt

import msgspec

from salus.base.errors import Category, Problem
from salus.base.types import HOUR_MS
from salus.client.wallet import Compartment
from salus.doors.http.member import MemberDoor
from salus.doors.http.plain import from_hex
from salus.gateway.gateway import Gateway
from salus.gateway.grants import GrantAsked
from salus.modules.members import queries as members
from salus.sealed.days import DAY_MAX, day_of

HOURS_MAX = 366 * 24
"""The longest a grant may be given for at once."""


class Days(msgspec.Struct, forbid_unknown_fields=True):
    """A window of clinical days, both inclusive; an open side is left out."""

    first: dt.date | None = None
    last: dt.date | None = None


class GrantBody(msgspec.Struct, forbid_unknown_fields=True):
    """A grant as an operator asks for it."""

    patient: str
    """Handle (32 hex digits), or the record system's id."""

    to: str
    """The reading member: id, name, or the beginning of its name."""

    compartments: list[str]
    """Names as `labs`, `medicines`."""

    for_hours: int
    """How long from now; 1 to 8,784."""

    purposes: tuple[str, ...] = ("TREAT",)
    """v3-ActReason."""

    days: Days | None = None
    """Clinical days; all if left out."""

    practitioner: str | None = None
    """Only this person of the reading member; 32 hex digits."""


def grant_asked(member: MemberDoor, gateway: Gateway, body: GrantBody) -> GrantAsked:
    """The gateway's grant; raises Problem PatientUnknown, MemberUnknown, CompartmentUnknown, …."""
    if not 1 <= body.for_hours <= HOURS_MAX:
        raise Problem(Category.INVALID, "HoursWrong", f"for_hours: expected 1 to {HOURS_MAX}")
    days = body.days or Days()
    person = body.practitioner
    return GrantAsked(
        patient=patient_handle(gateway, body.patient),
        to=member_named(member, body.to),
        compartments=[compartment(name) for name in body.compartments],
        purposes=body.purposes,
        until_ms=member.node.clock.now_ms() + body.for_hours * HOUR_MS,
        first_day=0 if days.first is None else day_of(days.first),
        last_day=DAY_MAX if days.last is None else day_of(days.last),
        practitioners=() if person is None else (from_hex(person, 16, "practitioner"),),
    )


def patient_handle(gateway: Gateway, text: str) -> bytes:
    """The handle of a patient named by handle or record system's id; raises PatientUnknown."""
    for patient in gateway.patients():
        if text in (patient.handle.hex(), patient.source, patient.source.removeprefix("Patient/")):
            return patient.handle
    raise Problem(
        Category.NOT_FOUND,
        "PatientUnknown",
        "expected a handle or record system's id that `patients` lists",
    )


def member_named(member: MemberDoor, text: str) -> bytes:
    """An active member by id or name, or the one whose name begins so; raises MemberUnknown."""
    view = member.node.ledger.view()
    wanted = text.casefold()
    found = [
        one
        for one in members.roster(view)
        if (row := members.member(view, one)) is not None
        and (wanted == one.hex() or row.name.casefold().startswith(wanted))
    ]
    if len(found) != 1 or not wanted:
        raise Problem(
            Category.NOT_FOUND,
            "MemberUnknown",
            f"expected one member's id or name, found {len(found)} so called; see `members`",
        )
    return found[0]


def compartment(name: str) -> int:
    """The number of a compartment's name; raises Problem CompartmentUnknown."""
    found = Compartment.__members__.get(name.upper())
    if found is None:
        names = ", ".join(one.name.lower() for one in Compartment)
        raise Problem(Category.INVALID, "CompartmentUnknown", f"expected one of {names}")
    return int(found)
