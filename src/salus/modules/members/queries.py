"""What may be read of members."""

from typing import NamedTuple

from salus.machine.context import View
from salus.modules.members import rules
from salus.modules.members.state import (
    MEMBER,
    MEMBER_KEY,
    NODE,
    OWNER,
    PRACTITIONER,
    RING,
    ROSTER,
    Member,
    MemberKey,
    Owner,
    Practitioner,
    Ring,
)


class Validator(NamedTuple):
    """A node with a say in the order of blocks."""

    member: bytes
    key: bytes
    """The node key, 33 B."""

    power: int
    """1-1000."""


def active(view: View, member: bytes) -> bool:
    """Whether the member may act and vote; False for an unknown one."""
    row = view.read(MEMBER, member)
    return row is not None and row.status == "active"


def member(view: View, member_id: bytes) -> Member | None:
    """The member, whatever its status, or None."""
    return view.read(MEMBER, member_id)


def roster(view: View) -> list[bytes]:
    """The active members' ids, 16 B each, ascending by their bytes."""
    row = view.read(ROSTER)
    return [] if row is None else row.active


def admitted(view: View) -> list[bytes]:
    """All members there ever were, each at the position of its number."""
    row = view.read(ROSTER)
    return [] if row is None else row.admitted


def key(view: View, member_id: bytes, use: int, generation: int | None = None) -> MemberKey | None:
    """A key of this generation, retired or not; without one the newest live key, or None."""
    if generation is None:
        live = generations(view, member_id, use)
        if not live:
            return None
        generation = live[-1]
    return view.read(MEMBER_KEY, member_id, use, generation)


def keys(view: View, member_id: bytes, use: int, at_ms: int) -> list[bytes]:
    """
    The live keys (33 B) that counted at `at_ms`, newest first.

    For a time before the block's: a key retired since is not among them.
    """
    rows = [
        view.read(MEMBER_KEY, member_id, use, generation)
        for generation in reversed(generations(view, member_id, use))
    ]
    return [row.key for row in rows if row is not None and row.from_ms <= at_ms]


def generations(view: View, member_id: bytes, use: int) -> list[int]:
    """The generations of a member's live keys of a use, ascending."""
    return ring(view, member_id, use).live


def ring(view: View, member_id: bytes, use: int) -> Ring:
    """How many keys of a use a member ever had, and which live; an empty one if none."""
    return view.read(RING, member_id, use) or Ring(count=0, live=[])


def key_owner(view: View, key_id: bytes) -> Owner | None:
    """Whose a signature key (its id, 16 B) is or was, or None; sealing keys are not listed."""
    return view.read(OWNER, key_id)


def practitioner(view: View, practitioner_id: bytes) -> Practitioner | None:
    """The person, valid or not, or None."""
    return view.read(PRACTITIONER, practitioner_id)


def practising(view: View, practitioner_id: bytes, member_id: bytes, at_ms: int) -> bool:
    """Whether the person may act for this active member at `at_ms`."""
    person = view.read(PRACTITIONER, practitioner_id)
    if person is None or person.member != member_id or not rules.is_valid(person, at_ms):
        return False
    return active(view, member_id)


def validator(view: View, member_id: bytes) -> Validator | None:
    """The member's node if it has weight: active, with power and a node key."""
    row = view.read(MEMBER, member_id)
    if row is None or row.status != "active" or not row.power:
        return None
    node = key(view, member_id, NODE)
    return None if node is None else Validator(member_id, node.key, row.power)


def validators(view: View) -> list[Validator]:
    """All nodes with weight, in the roster's order."""
    found = [validator(view, member_id) for member_id in roster(view)]
    return [one for one in found if one is not None]
