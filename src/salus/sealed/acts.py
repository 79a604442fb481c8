"""
Signed structs: what a key says off the ledger or through a relay, and the acts of a tag.

    signature = Ed25519 over D(domain) ‖ network id ‖ bytes

- The bytes travel beside their signature and are never encoded again: a relay may drop an act, but
  not alter it (`patient-control.md` §3.7).
- Each struct has a domain of its own, so that no signed bytes pass for another kind (corrections
  22). A patient has no account: the control key of a tag signs for that tag.
"""

from typing import ClassVar, NamedTuple, TypeVar

from salus.base import codec, signing
from salus.base.codec import Struct
from salus.base.hashing import domain
from salus.base.types import U16, U32, Count, Hash32, MemberId, PublicKey, Signature, Tag, TimeMs


class SignedStruct(Struct, frozen=True):
    """The base of all that is signed as its canonical bytes."""

    domain: ClassVar[str]
    """The domain its signature stands under; one of `base.hashing.DOMAINS`."""


Kind = TypeVar("Kind", bound=SignedStruct)


class Signed(NamedTuple):
    """Bytes and the signature over them, as they travel."""

    data: bytes
    """Canonical encoding of a SignedStruct."""

    signature: Signature


class TagRegistration(Struct, frozen=True):
    """A new tag with its key's proof, as `consent.register_tags` carries it."""

    control_key: PublicKey
    """Ed25519; signs for the tag from here on."""

    signature: Signature
    """By the control key over D("tag") ‖ network id ‖ tag (corrections 25)."""

    tag: Tag


class UpdateTagAct(SignedStruct, frozen=True):
    """The whole new record of a tag, signed by its present control key; a new key signs too."""

    domain: ClassVar[str] = "act-update"

    control_key: PublicKey
    """Ed25519; signs the tag's acts from here on."""

    era: U32
    """The tag's stop counter; as it is or one more. Older grants and links are dead."""

    first_day: U16
    """First day with a key of its own on the sheet; days since 1900-01-01, 0 without a sheet."""

    generation: U32
    """The tag's key version; as it is or one more."""

    open: bool
    """Whether the tag still takes records; once false it stays so."""

    sequence: Count
    """The tag's running number of acts: its row's plus one."""

    sheet_root: Hash32
    """Root of the sheet of slot keys; 32 zero bytes: none."""

    tag: Tag


class StopTagAct(SignedStruct, frozen=True):
    """End every grant and link on a tag at once: the era goes up by one."""

    domain: ClassVar[str] = "act-stop"

    era: U32
    """The new era: the tag's row's plus one."""

    sequence: Count
    """The tag's row's plus one."""

    tag: Tag


class Link(SignedStruct, frozen=True):
    """A tag's leave to write under it, signed by the control key; without one no write counts."""

    domain: ClassVar[str] = "link"

    emergency: bool
    """Whether it came with an emergency packet."""

    era: U32
    """The tag's era when made; the link is dead in any later one."""

    tag: Tag

    until: TimeMs
    """First block time at which it is dead; at most 13 months after it was made."""

    writer: MemberId | None = None
    """The one member who may write; absent: any member."""


def sign(key: signing.SigningKey, chain: bytes, value: SignedStruct) -> Signed:
    """Encode and sign a struct for the network `chain` (32 B)."""
    data = codec.encode(value)
    return Signed(data, key.sign(signed_bytes(value.domain, chain, data)))


def check(kind: type[Kind], key: bytes, chain: bytes, data: bytes, signature: bytes) -> Kind:
    """
    Read a signed struct and check its signature by `key` (33 B) for the network `chain` (32 B).

    Raises codec.Malformed, codec.NotCanonical, signing.SignatureRefused.
    """
    value = codec.decode(data, kind)
    check_signature(kind, key, chain, data, signature)
    return value


def check_signature(
    kind: type[SignedStruct], key: bytes, chain: bytes, data: bytes, signature: bytes
) -> None:
    """Check the signature over bytes already read; raises signing.SignatureRefused."""
    signing.verify(key, signature, signed_bytes(kind.domain, chain, data))


def prove_new_key(key: signing.SigningKey, chain: bytes, act: bytes) -> Signature:
    """Sign a tag's update with the key it brings in; D("new-control") ‖ network id ‖ act."""
    return key.sign(signed_bytes("new-control", chain, act))


def check_new_key(key: bytes, chain: bytes, act: bytes, proof: bytes) -> None:
    """Check the proof of a tag's new control key (33 B); raises signing.SignatureRefused."""
    signing.verify(key, proof, signed_bytes("new-control", chain, act))


def register_tag(key: signing.SigningKey, chain: bytes, tag: bytes) -> TagRegistration:
    """Prove that the control key takes charge of a new tag."""
    signature = key.sign(signed_bytes("tag", chain, tag))
    return TagRegistration(control_key=key.public, signature=signature, tag=tag)


def check_registration(chain: bytes, new: TagRegistration) -> None:
    """Check a new tag's proof by its control key; raises signing.SignatureRefused."""
    signing.verify(new.control_key, new.signature, signed_bytes("tag", chain, new.tag))


def signed_bytes(name: str, chain: bytes, data: bytes) -> bytes:
    """D(name) ‖ network id (32 B) ‖ bytes: what every signature here covers."""
    return domain(name) + chain + data
