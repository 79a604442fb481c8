"""What is always true of members."""

from collections.abc import Mapping, Sequence

from salus.base.errors import invariant
from salus.base.signing import key_id
from salus.machine.tables import Key
from salus.modules.members import rules
from salus.modules.members.state import (
    SEALING,
    TRANSACTION,
    Member,
    MemberKey,
    Owner,
    Ring,
    Roster,
)


def roster_is_the_active(members: Mapping[bytes, Member], roster: Roster) -> None:
    """The roster lists the active in order; every member stands at its number, at most 64."""
    active = sorted(member for member, row in members.items() if row.status == "active")
    invariant(roster.active == active, "members: the roster differs from the active members")
    numbers = {member: number for number, member in enumerate(roster.admitted)}
    invariant(
        numbers == {member: row.number for member, row in members.items()},
        "members: a number was given twice or lost",
    )
    invariant(active and len(numbers) <= rules.MEMBERS_MAX, "members: none active, or over 64")


def rings_are_the_live(
    rings: Mapping[tuple[bytes, int], Ring], keys: Mapping[tuple[bytes, int, int], MemberKey]
) -> None:
    """A ring lists the keys not retired, within bounds; generations run 0, 1, 2 … without a gap."""
    for (member, use), ring in rings.items():
        mine = {gen: row for (who, what, gen), row in keys.items() if (who, what) == (member, use)}
        invariant(sorted(mine) == list(range(ring.count)), "members: a generation is missing")
        live = [gen for gen, row in sorted(mine.items()) if row.retired_ms is None]
        invariant(ring.live == live, "members: a ring differs from its live keys")
        invariant(0 < len(live) <= rules.keys_max(use), "members: too few or too many live keys")


def keys_are_owned(
    keys: Mapping[tuple[bytes, int, int], MemberKey],
    owners: Mapping[bytes, Owner],
    signers: Mapping[bytes, Key],
) -> None:
    """Every signature key has one owner; the transaction keys are those the machine knows."""
    owned = {
        key_id(row.key): Owner(member=member, use=use, generation=generation)
        for (member, use, generation), row in keys.items()
        if use != SEALING
    }
    invariant(owners == owned, "members: a key without its owner")
    acting = {
        key_id(row.key): Key(
            key=row.key, member=member, from_ms=row.from_ms, retired_ms=row.retired_ms
        )
        for (member, use, _generation), row in keys.items()
        if use == TRANSACTION
    }
    invariant(signers == acting, "members: the machine's keys differ from the members'")


def weight_is_left(powers: Sequence[int], mode: str) -> None:
    """`powers`: of active members with a node key. In a network at least one has weight."""
    invariant(mode != "network" or any(powers), "members: no node is left to order blocks")
