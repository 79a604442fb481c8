"""
The items of a batch's container: what stands in it, in the order of the file.

Head, groups, owner packets, seat packets, entries (`patient-control.md` §3.5). Each is encoded as
canonical MessagePack; widths that follow from the suite and the seats are checked by `checks`.
"""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.base.types import U8, U16, U32, Count, Hash32, Id16, MemberId, Signature, Tag
from salus.sealed.days import Node
from salus.sealed.locks import RecordPlace

KIND_RECORDS = 0
KIND_RECORD_KEYS = 1
KIND_DEVICE_STREAM = 2
KIND_GENOME = 3

Link = Annotated[bytes, msgspec.Meta(max_length=1_024)]
"""A tag's signed leave to write, as bytes; who checks it decodes it."""


class Head(Struct, frozen=True):
    """What the batch is, and how much of everything it holds."""

    v: U8
    """Format version; 1."""

    suite: U8
    """Registry of seals; 1."""

    chain: Hash32
    """Network id."""

    batch: Id16
    """Random; names one container ever sent."""

    author: MemberId
    """The member whose service key signs."""

    retention_version: U32
    """Which of the author's retention keys hides its wraps."""

    seats: U32
    """Version of the seat list."""

    threshold: U8
    """Shares of N that join."""

    groups: U16
    entries: U16

    blobs_bytes: Count = msgspec.field(name="bytes")
    """All blobs together, before any was left out."""


class Group(Struct, frozen=True):
    """The two locks of one tag's records of one slot; its number is its position."""

    kind: U8
    """0 records, 1 record keys, 2 device stream (no entries), 3 genome."""

    tag: Tag
    generation: U32
    level: U8
    index: U16

    check: Hash32
    """Every way to the group key must give it."""

    p: bytes
    """P sealed to the slot key; 80 B."""

    shares: bytes
    """A masked share of N per seat, by x; 32 B each."""

    digests: bytes
    """A digest of each share; 16 B each."""

    owner: Hash32
    """The group key, masked for the tag's owner."""

    author: Hash32
    """The group key, masked for the author's retention key."""

    @property
    def slot(self) -> Node:
        """The slot to whose key P is sealed."""
        return Node(self.level, self.index)


class OwnerPacket(Struct, frozen=True):
    """The owner's secret of one (tag, generation), and the leave under which was written."""

    tag: Tag
    generation: U32

    sealed: bytes
    """K_o sealed to the owner key; 80 B."""

    link: Link
    link_signature: Signature


class SeatPacket(Struct, frozen=True):
    """One seat's secret."""

    x: Annotated[int, msgspec.Meta(ge=1, le=255)]

    sealed: bytes
    """K_x sealed to the holder; 80 B."""


class Entry(Struct, frozen=True):
    """One record's blob."""

    group: U16
    index: U16

    record: Id16
    version: U32

    offset: Count
    """From the first blob of the whole batch."""

    blob_bytes: U32 = msgspec.field(name="bytes")

    sha256: Hash32
    """Of the ciphertext."""

    content: Hash32
    """Salted commitment of meta and body."""

    @property
    def place(self) -> RecordPlace:
        """Where the record lies in its batch."""
        return RecordPlace(self.group, self.index, self.record, self.version)
