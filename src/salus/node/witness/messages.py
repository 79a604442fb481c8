"""
What is said at a witness's door, beside the structs of `sealed.release`.

    release     ReleaseRequest -> ReleaseReply
    releases    ReleasesAsked  -> ReleasesFound

A log entry stands for one tag of one call: whoever asks by a tag's key sees that tag's lines and
nothing of others. Each line holds the leaf with its path to the posted intent, so that it verifies
against the ledger alone.
"""

from typing import Annotated, ClassVar

import msgspec

from salus.base.codec import Struct
from salus.base.hashing import u16, u64
from salus.base.types import (
    DAY_MS,
    U16,
    Count,
    Hash32,
    Height,
    Id16,
    MemberId,
    Signature,
    Tag,
    TimeMs,
)
from salus.sealed.acts import SignedStruct
from salus.sealed.release import PATH_HASHES_MAX, ReleaseAnswer, ReleaseRefusal

RELEASE = "release"
RELEASES = "releases"


class ReleaseReply(Struct, frozen=True):
    """Either `answer` or `refusal`."""

    answer: ReleaseAnswer | None = None
    refusal: ReleaseRefusal | None = None


class BatchGroups(Struct, frozen=True):
    """Groups of one batch whose shares were released."""

    batch: Id16
    groups: list[U16]
    """Ascending."""


class ReleaseEntry(Struct, frozen=True):
    """One line of a release log: the shares of one tag that left in one call."""

    batches: list[BatchGroups]
    """Ascending by batch."""

    height: Height
    """Of the final block by which was decided."""

    index: U16
    intent_ms: TimeMs
    """Block time of the intent."""

    leaf: bytes
    """Canonical bytes of `sealed.grants.Leaf`: who, for whom, why."""

    member: MemberId
    """Who posted the intent."""

    path: Annotated[list[Hash32], msgspec.Meta(max_length=PATH_HASHES_MAX)]
    """From the leaf at `index` to the intent's root on the ledger."""

    sequence: Count
    """The intent's running number at `member`."""

    subject: Id16
    """The grant."""

    tag: Tag
    time_ms: TimeMs
    """That block's time."""

    leaf_signature: Signature | None = None
    """A wallet's, over its leaf."""


class ReleasesAsk(SignedStruct, frozen=True):
    """Ask who saw: exactly one of `tag` (signed by its control key) and `grant` (its grant key)."""

    domain: ClassVar[str] = "releases-ask"

    after: Count
    """First entry number wanted; 0 at first, then the answer's `next`."""

    created_ms: TimeMs
    to: MemberId
    """The witness asked."""

    grant: Id16 | None = None
    tag: Tag | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless exactly one is set."""
        if (self.grant is None) == (self.tag is None):
            raise ValueError("expected a tag or a grant, not both")


class ReleasesAsked(Struct, frozen=True):
    """The signed question as any member may carry it."""

    ask: bytes
    """Canonical bytes of `ReleasesAsk`."""

    signature: Signature


class LogHead(SignedStruct, frozen=True):
    """A witness's word on its release log; signed by its service key."""

    domain: ClassVar[str] = "release-log"

    chain: Hash32
    member: MemberId
    root: Hash32
    """RFC 6962 root over the entries."""

    size: Count
    time_ms: TimeMs
    """The witness's clock."""


class FoundEntry(Struct, frozen=True):
    """One line with its proof."""

    entry: bytes
    """Canonical bytes of `ReleaseEntry`."""

    number: Count
    path: list[Hash32]
    """Inclusion path to the head's root."""


class ReleasesFound(Struct, frozen=True):
    """Lines, each provable against the head, and the head against the newest anchor."""

    anchored: Count
    """Size that the witness's anchor on the ledger has; 0: none yet."""

    consistency: list[Hash32]
    """From the anchored log to the head's."""

    entries: list[FoundEntry]

    head: bytes
    """Canonical bytes of `LogHead`."""

    signature: Signature
    next: Count | None = None
    """Where to go on; absent: that was all."""


def session_of(member: bytes, sequence: int, index: int) -> bytes:
    """Name of a session: the posted leaf; 26 B. An intent's own id could be used twice."""
    return member + u64(sequence) + u16(index)


def day_of_time(time_ms: int) -> int:
    """UTC day of a block time, counted from 1970-01-01."""
    return time_ms // DAY_MS
