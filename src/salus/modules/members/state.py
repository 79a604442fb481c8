"""What members remembers."""

from typing import Annotated, Literal

import msgspec

from salus.base.codec import Struct
from salus.base.types import U8, U16, Hash32, Height, Id16, MemberId, PublicKey, Text64, TimeMs
from salus.state.tables import Table, number, raw

TRANSACTION = 1
SEALING = 2
SERVICE = 4
LOG = 5
NODE = 6
"""What a key is for; 3 does not exist: a retention key is a secret that never leaves its member."""

USES = (TRANSACTION, SEALING, SERVICE, LOG, NODE)

ISSUER = 7
"""The role of those whose signatures register a practitioner."""

Status = Literal["active", "suspended", "removed"]

Power = Annotated[int, msgspec.Meta(ge=0, le=1000)]
"""Weight of a member's node in consensus; 0 none."""

Address = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""Where a member's peers reach it: an https origin, perhaps with a path."""

Certificate = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1024)]
"""A TLS certificate, DER (RFC 5280): self-signed by a service key of the member."""


class Member(Struct, frozen=True):
    """An organisation of the network."""

    number: U8
    """Its place among all ever admitted, 0-63; never reused."""

    name: Text64
    status: Status
    power: Power
    """What its node weighs while the member is active."""

    joined_height: Height
    certificates: list[Certificate]
    """At most 2, so that one can follow the other without a gap."""

    address: Address | None = None


class Roster(Struct, frozen=True):
    """All members at a glance."""

    active: list[MemberId]
    """Those who may act and vote; ascending by their bytes."""

    admitted: list[MemberId]
    """All there ever were; a member stands at the position of its number. At most 64."""


class MemberKey(Struct, frozen=True):
    """One key of a member; stays when retired, so that what it signed can still be checked."""

    key: PublicKey
    """Ed25519 (algorithm byte 1 of signatures); for sealing X25519 (byte 1 of seals)."""

    from_ms: TimeMs
    retired_ms: TimeMs | None = None
    """First block time at which it counts no more."""


class Practitioner(Struct, frozen=True):
    """A person (role 9: a system) who acts for a member; valid from `from_ms` until `until_ms`."""

    member: MemberId
    role: U16
    key: PublicKey
    credential: Hash32
    """Salted commitment to the person's credential; never a name."""

    issuers: list[Id16]
    """The two who vouched; empty for those who came with their member by vote or genesis."""

    from_ms: TimeMs
    until_ms: TimeMs
    """First block time at which the person may act no more."""

    ended_ms: TimeMs | None = None
    """The same, when ended early."""


class Ring(Struct, frozen=True):
    """A member's keys of one use, by their generation."""

    count: U16
    """How many there ever were: the next generation."""

    live: list[U16]
    """Generations not retired, ascending."""


class Owner(Struct, frozen=True):
    """Whose a signature key is; no such key ever serves twice."""

    member: MemberId
    use: U8
    generation: U16


MEMBER = Table(1, 1, "members.member", Member, (raw("member", 16),))
ROSTER = Table(1, 2, "members.roster", Roster)
MEMBER_KEY = Table(
    1, 3, "members.key", MemberKey, (raw("member", 16), number("use", 1), number("generation", 2))
)
PRACTITIONER = Table(1, 4, "members.practitioner", Practitioner, (raw("practitioner", 16),))
RING = Table(1, 5, "members.ring", Ring, (raw("member", 16), number("use", 1)))
OWNER = Table(1, 6, "members.owner", Owner, (raw("key_id", 16),))

TABLES = (MEMBER, ROSTER, MEMBER_KEY, PRACTITIONER, RING, OWNER)
