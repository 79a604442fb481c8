"""What consent remembers."""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.base.types import U8, U16, U32, Count, Hash32, MemberId, PublicKey, TimeMs
from salus.state.tables import Table, number, raw

RELEASES = 0
"""Log of a witness's releases; 1, disclosures, is reserved."""

SeatNumber = Annotated[int, msgspec.Meta(ge=1, le=255)]
"""The Shamir x of a seat; never 0, whose share would be the secret itself (corrections 8)."""


class Holder(Struct, frozen=True):
    """Who holds a seat."""

    member: MemberId
    x: SeatNumber


class Seats(Struct, frozen=True):
    """One version of the list of witnesses."""

    active_from_ms: TimeMs
    """Block time since when batches name it; the version before holds one hour longer."""

    holders: list[Holder]
    """1-16, ascending by x, members distinct; shares and digests of a batch follow this order."""

    threshold: U8
    """Shares that join: floor(2n / 3) + 1."""


class SeatsCurrent(Struct, frozen=True):
    """Which version new batches name."""

    version: U32


class TagRecord(Struct, frozen=True):
    """One tag: the random public name of one compartment of one patient."""

    control_key: PublicKey
    """Ed25519; signs the tag's acts, openings and links."""

    era: U32
    """Stop counter: grants and links of an earlier era are dead."""

    first_day: U16
    """First day with a key of its own on the sheet; 0 without a sheet."""

    generation: U32
    """Version of the keys to which new records are sealed."""

    open: bool
    """Whether it takes records and acts."""

    sequence: Count
    """Acts so far."""

    sheet_root: Hash32
    """Root of the sheet of slot keys; zeros: none."""


class Grant(Struct, frozen=True):
    """All that is public of a grant."""

    commitment: Hash32
    """Of the sealed terms; see `sealed.grants`."""

    grant_key: PublicKey
    """Ed25519; alone revokes it."""

    until_ms: TimeMs
    """First block time at which it opens nothing; a whole hour."""

    revoked_ms: TimeMs | None = None
    """Block time of its revocation."""


class Intents(Struct, frozen=True):
    """One announcement of a member's accesses."""

    closings: Hash32
    """Root of what ended sessions showed; zeros: none ended."""

    leaves: U16
    """1, 8, 64 or 512, random hashes included."""

    root: Hash32
    """RFC 6962 root of the leaves."""

    time_ms: TimeMs


class IntentCount(Struct, frozen=True):
    """How many intents a member has posted."""

    last: Count


class Anchor(Struct, frozen=True):
    """The newest size and root of a member's own log."""

    root: Hash32
    size: Count
    time_ms: TimeMs


SEATS = Table(4, 1, "consent.seats", Seats, (number("version", 4),))
TAG = Table(4, 2, "consent.tag", TagRecord, (raw("tag", 16),))
GRANT = Table(4, 4, "consent.grant", Grant, (raw("grant", 16),))
INTENTS = Table(4, 5, "consent.intents", Intents, (raw("member", 16), number("sequence", 8)))
ANCHOR = Table(4, 8, "consent.anchor", Anchor, (raw("member", 16), number("log", 1)))
SEATS_CURRENT = Table(4, 9, "consent.seats_current", SeatsCurrent)
INTENT_COUNT = Table(4, 10, "consent.intent_count", IntentCount, (raw("member", 16),))

TABLES = (SEATS, TAG, GRANT, INTENTS, ANCHOR, SEATS_CURRENT, INTENT_COUNT)
