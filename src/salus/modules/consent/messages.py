"""What may be asked of consent; acts of patients come through any member, their relay."""

from typing import Annotated

import msgspec

from salus.base.types import U16, Count, Hash32, Signature
from salus.machine.module import Message
from salus.sealed.acts import TagRegistration

TAGS_MAX = 256
"""Tags registered at once: 16 roots of 16 compartments (`patient-control.md` §5.1)."""

HASHES_MAX = 63
"""Hashes of any consistency proof (C2SP tlog-witness)."""

Act = Annotated[bytes, msgspec.Meta(max_length=1_024)]
"""Canonical bytes of a signed struct, as its signer sent them."""

Log = Annotated[int, msgspec.Meta(ge=0, le=0)]
"""0 releases; 1, disclosures, is reserved."""


class RegisterTags(Message, frozen=True, tag="consent.register_tags"):
    """Make new tags known; a relay mixes those of several people, so that none stand together."""

    tags: Annotated[list[TagRegistration], msgspec.Meta(min_length=1, max_length=TAGS_MAX)]
    """Ascending by tag, each once."""


class UpdateTag(Message, frozen=True, tag="consent.update_tag"):
    """Carry a tag's new record: a rotated key, a new generation or sheet, a stop, or its end."""

    act: Act
    """`sealed.acts.UpdateTagAct`."""

    signature: Signature
    """By the tag's present control key."""

    proof: Signature | None = None
    """By the new control key, exactly if the act changes it; see `sealed.acts.prove_new_key`."""


class StopTag(Message, frozen=True, tag="consent.stop_tag"):
    """Carry a tag's "stop everything here": every grant and link on it is dead from now."""

    act: Act
    """`sealed.acts.StopTagAct`."""

    signature: Signature
    """By the tag's control key."""


class PutGrant(Message, frozen=True, tag="consent.put_grant"):
    """Carry a grant's public half."""

    act: Act
    """`sealed.grants.PutGrantAct`."""

    signature: Signature
    """By the grant key."""


class RevokeGrant(Message, frozen=True, tag="consent.revoke_grant"):
    """Carry the end of a grant."""

    act: Act
    """`sealed.grants.RevokeGrantAct`."""

    signature: Signature
    """By the grant key."""


class PostIntents(Message, frozen=True, tag="consent.post_intents"):
    """Announce accesses, before any share is asked for."""

    closings: Hash32
    """Root of what sessions that ended since showed; zeros: none ended."""

    leaves: U16
    """1, 8, 64 or 512."""

    root: Hash32
    """RFC 6962 root of the leaves; see `sealed.release.IntentTree`."""

    sequence: Count
    """The member's running number of intents: 1, 2, 3 …"""


class AnchorLog(Message, frozen=True, tag="consent.anchor_log"):
    """Fix the state of the member's own log, so that it can never be rewritten unseen."""

    log: Log

    proof: Annotated[list[Hash32], msgspec.Meta(max_length=HASHES_MAX)]
    """RFC 6962 consistency proof from the last anchor; empty at the first."""

    root: Hash32
    size: Count
