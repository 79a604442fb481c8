"""
Storage receipts: a member's word that it holds a container, which makes a batch valid.

A receipt names the author, so that nobody can commit another's batch first (corrections 7), and is
made only after the container was stored, synced and read back (`ledger.md` §5.9).
"""

from typing import Annotated, ClassVar

import msgspec

from salus.base import codec
from salus.base.signing import SigningKey
from salus.base.types import Count, Hash32, Id16, MemberId, Signature, TimeMs
from salus.sealed import acts
from salus.sealed.acts import SignedStruct

STORED = 1
"""Role: the member holds the whole container."""

SHARE_ACCEPTED = 2
"""Role: the member holds a seat and checked and kept its shares."""

Roles = Annotated[int, msgspec.Meta(ge=1, le=STORED | SHARE_ACCEPTED)]
"""Sum of the roles held; never none."""


class StorageReceipt(SignedStruct, frozen=True):
    """What a member answers an author; counts for 120 s of block time after `checked`."""

    domain: ClassVar[str] = "receipt"

    author: MemberId
    """Who signed the container, and alone may commit it."""

    batch: Id16

    bytes: Count
    """Size of the container, padded (Padmé)."""

    chain: Hash32
    """The network id."""

    checked: TimeMs
    """Block time of the state its tags and links were checked on."""

    roles: Roles

    root: Hash32
    """RFC 6962 root of the container's items."""


def receipt_bytes(receipt: StorageReceipt) -> bytes:
    """The canonical bytes that are signed and sent."""
    return codec.encode(receipt)


def sign_receipt(key: SigningKey, receipt: StorageReceipt) -> acts.Signed:
    """Sign by the member's service key (use 4), for the network the receipt names."""
    return acts.sign(key, receipt.chain, receipt)


def check_receipt(key: bytes, chain: bytes, data: bytes, signature: Signature) -> StorageReceipt:
    """
    Read a receipt and check its signature by a service key (33 B) for the network `chain` (32 B).

    Raises codec.Malformed, codec.NotCanonical, signing.SignatureRefused.
    """
    return acts.check(StorageReceipt, key, chain, data, signature)
