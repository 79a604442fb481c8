"""What may be asked of records."""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.base.types import U32, Count, Hash32, Id16, MemberId, Signature
from salus.machine.module import Message

RECEIPTS_MAX = 64
"""One a member; a network admits 64 in its life."""


class MemberReceipt(Struct, frozen=True):
    """A member's word that it holds the container."""

    member: MemberId

    receipt: Annotated[bytes, msgspec.Meta(max_length=512)]
    """Canonical bytes of `sealed.receipts.StorageReceipt`, as the member sent them."""

    signature: Signature
    """By a service key of the member."""


class CommitBatch(Message, frozen=True, tag="records.commit_batch"):
    """Commit a container that enough members hold; its tags and records stand in it alone."""

    batch: Id16
    """Random; names one container ever sent."""

    bytes: Count
    """Size of the container, padded (Padmé) so that it says less; at most 32 MiB."""

    receipts: Annotated[list[MemberReceipt], msgspec.Meta(max_length=RECEIPTS_MAX)]
    """Ascending by member, each once."""

    root: Hash32
    """RFC 6962 root of the container's items."""

    seats: U32
    """Version of the seats its shares were made for."""
