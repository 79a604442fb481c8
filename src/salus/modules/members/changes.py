"""
The steps that messages, votes and genesis share; whoever calls has checked.

A change that may move a node's weight in consensus stands inside `weighing`.
"""

from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from salus.base.errors import Fault
from salus.base.signing import key_id, member_id
from salus.machine.context import Context
from salus.machine.tables import KEY, Key
from salus.modules.members import queries
from salus.modules.members.events import (
    Admitted,
    KeyAdded,
    KeyRetired,
    PractitionerRegistered,
    StatusChanged,
    ValidatorChanged,
)
from salus.modules.members.state import (
    MEMBER,
    MEMBER_KEY,
    OWNER,
    PRACTITIONER,
    RING,
    ROSTER,
    SEALING,
    TRANSACTION,
    Member,
    MemberKey,
    Owner,
    Practitioner,
    Ring,
    Roster,
    Status,
)


def add_member(ctx: Context, first_key: bytes, name: str, address: str | None) -> bytes:
    """Put a new active member, without keys or power, on the roster; returns its id."""
    member = member_id(first_key)
    admitted = queries.admitted(ctx)
    row = Member(
        number=len(admitted),
        name=name,
        status="active",
        power=0,
        joined_height=ctx.height,
        certificates=[],
        address=address,
    )
    ctx.write(MEMBER, row, member)
    active = [*queries.roster(ctx)]
    insort(active, member)
    ctx.write(ROSTER, Roster(active=active, admitted=[*admitted, member]))
    ctx.emit(Admitted(member=member, number=row.number))
    return member


def set_status(ctx: Context, member: bytes, status: Status) -> None:
    """Change a member's status; the roster follows, and a removed one loses its power."""
    row = known(ctx, member)
    with weighing(ctx, member):
        power = 0 if status == "removed" else row.power
        ctx.write(MEMBER, replace(row, status=status, power=power), member)
    active = [one for one in queries.roster(ctx) if one != member]
    if status == "active":
        insort(active, member)
    ctx.write(ROSTER, Roster(active=active, admitted=queries.admitted(ctx)))
    ctx.emit(StatusChanged(member=member, status=status))


def set_power(ctx: Context, member: bytes, power: int) -> None:
    """Change what a member's node weighs."""
    with weighing(ctx, member):
        ctx.write(MEMBER, replace(known(ctx, member), power=power), member)


def add_key(ctx: Context, member: bytes, use: int, key: bytes) -> None:
    """Give a member its next key of a use; it counts from this block on."""
    ring = queries.ring(ctx, member, use)
    generation = ring.count
    with weighing(ctx, member):
        ctx.write(MEMBER_KEY, MemberKey(key=key, from_ms=ctx.time_ms), member, use, generation)
        ctx.write(RING, Ring(count=generation + 1, live=[*ring.live, generation]), member, use)
    if use != SEALING:
        ctx.write(OWNER, Owner(member=member, use=use, generation=generation), key_id(key))
    if use == TRANSACTION:
        ctx.write(KEY, Key(key=key, member=member, from_ms=ctx.time_ms), key_id(key))
    ctx.emit(KeyAdded(member=member, use=use, generation=generation))


def retire_key(ctx: Context, member: bytes, use: int, generation: int) -> None:
    """Let a live key count no more; its row stays."""
    row = ctx.read(MEMBER_KEY, member, use, generation)
    ring = queries.ring(ctx, member, use)
    if row is None:
        raise Fault("members: a live key has no row")
    with weighing(ctx, member):
        retired = replace(row, retired_ms=ctx.time_ms)
        ctx.write(MEMBER_KEY, retired, member, use, generation)
        live = [one for one in ring.live if one != generation]
        ctx.write(RING, Ring(count=ring.count, live=live), member, use)
    if use == TRANSACTION:
        gone = Key(key=row.key, member=member, from_ms=row.from_ms, retired_ms=ctx.time_ms)
        ctx.write(KEY, gone, key_id(row.key))
    ctx.emit(KeyRetired(member=member, use=use, generation=generation))


def add_practitioner(ctx: Context, practitioner_id: bytes, person: Practitioner) -> None:
    """Let a person act for a member."""
    ctx.write(PRACTITIONER, person, practitioner_id)
    ctx.emit(PractitionerRegistered(member=person.member, practitioner=practitioner_id))


def known(ctx: Context, member: bytes) -> Member:
    """The row of a member that was checked to exist."""
    row = ctx.read(MEMBER, member)
    if row is None:
        raise Fault("members: a checked member has no row")
    return row


@contextmanager
def weighing(ctx: Context, member: bytes) -> Iterator[None]:
    """Tell the engine if what happens inside moves the member's weight to another key or size."""
    before = queries.validator(ctx, member)
    yield
    after = queries.validator(ctx, member)
    if before is not None and (after is None or after.key != before.key):
        ctx.emit(ValidatorChanged(key=before.key, member=member, power=0))
    if after is not None and after != before:
        ctx.emit(ValidatorChanged(key=after.key, member=member, power=after.power))
