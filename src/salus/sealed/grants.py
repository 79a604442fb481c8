"""
Grants: what a patient allows, the proof that a tag allows it, and what the reader receives.

- The ledger holds a salted commitment to the terms, the grant key and the end; nothing else.
- Terms name the grant key, so that a relay cannot issue them again under a key of its own and
  outlive the patient's revocation (corrections 2).
- A leaf is what an intent says of one opening; without it on the ledger no share is released.

`patient-control.md` §3.7, 5.3, 5.4; widths and rules of the unions by corrections 22.
"""

import itertools
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec

from salus.base import codec, signing
from salus.base.codec import Struct
from salus.base.hashing import domain_hash
from salus.base.limits import SESSION_MS_MAX, TERMS_BYTES_MAX, TERMS_ITEMS_MAX
from salus.base.sealing import pad_package, unpad_package
from salus.base.types import (
    U16,
    U32,
    Hash32,
    Id16,
    MemberId,
    PublicKey,
    Signature,
    Tag,
    TimeMs,
)
from salus.sealed.acts import SignedStruct, signed_bytes

RULES_MAX = 64
"""Rules of one grant's residual (`patient-control.md` §7)."""

GRANT = 0
"""Leaf kind: an opening under a grant. 1 glass, 2 escrow and 3 order are reserved."""

Version = Annotated[int, msgspec.Meta(ge=1, le=1)]
"""Format version."""

Purpose = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[A-Z0-9]+\Z")]
"""A code of v3-ActReason, such as TREAT."""

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]+\Z")]
"""A FHIR type or a security label: printable ASCII without spaces."""

Seeds = Annotated[bytes, msgspec.Meta(max_length=30 * 32)]
"""Seeds of one tag in the order of the window's cover; 32 B each, at most 30."""

Ordered = TypeVar("Ordered", bytes, str, int)


class PutGrantAct(SignedStruct, frozen=True):
    """Put a grant on the ledger; signed by the grant key."""

    domain: ClassVar[str] = "grant-put"

    commitment: Hash32
    """Of the terms; see `commitment`."""

    grant: Id16
    grant_key: PublicKey
    """Ed25519; alone can revoke the grant."""

    until_ms: TimeMs
    """First block time at which it opens nothing more; on the hour, so that it tells little."""


class RevokeGrantAct(SignedStruct, frozen=True):
    """End a grant now; signed by its grant key."""

    domain: ClassVar[str] = "grant-revoke"

    grant: Id16


class Reader(Struct, frozen=True):
    """Who reads: a member or a person's wallet, exactly one of them."""

    member: MemberId | None = None
    wallet: PublicKey | None = None
    """Ed25519 key with which the wallet signs its leaves."""

    def __post_init__(self) -> None:
        """Raise ValueError unless exactly one is set; a decoder makes it Malformed."""
        if (self.member is None) == (self.wallet is None):
            raise ValueError("expected a member or a wallet, not both")


class Item(Struct, frozen=True):
    """One tag under a grant, for a window of days."""

    era: U32
    """The tag's era when granted; a later one ends the item."""

    first_day: U16
    last_day: U16
    """Clinical days since 1900-01-01, both inclusive."""

    tag: Tag

    def __post_init__(self) -> None:
        """Raise ValueError unless the window holds a day."""
        if self.first_day > self.last_day:
            raise ValueError("expected first_day at or before last_day")


class Rule(Struct, frozen=True):
    """One rule of the residual: it matches a record that meets every criterion it names."""

    authors: list[MemberId]
    encounters: list[Id16]
    """Record ids of the encounters that records belong to."""

    labels: list[Word]
    permit: bool
    records: list[Id16]
    types: list[Word]
    """Empty lists name no criterion; of a list any one suffices."""

    first_day: U16 | None = None
    last_day: U16 | None = None


class Terms(Struct, frozen=True):
    """What a grant allows, in full; sealed to the reader, shown to witnesses, never public."""

    chain: Hash32
    """The network id."""

    consent: Hash32
    """SHA-256 of the FHIR Consent that says the same; zeros: none."""

    from_ms: TimeMs
    """First block time at which it opens anything."""

    grant: Id16
    grant_key: PublicKey
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=TERMS_ITEMS_MAX)]
    """Ascending by tag, each once."""

    mode: Literal["import", "view"]
    """Whether the reader may keep a copy."""

    practitioners: list[Id16]
    """Who of the member may read, ascending; empty: any whose role is named."""

    purposes: Annotated[list[Purpose], msgspec.Meta(min_length=1)]
    """Ascending, each once."""

    reader: Reader
    residual: Annotated[list[Rule], msgspec.Meta(max_length=RULES_MAX)]
    """Finer rules the reader's gateway applies: from permit on, the last match decides."""

    roles: list[U16]
    """Practitioners' roles, ascending; empty: any."""

    salt: Id16
    """Random; without it the commitment could be guessed."""

    sessions_per_day: Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)]
    """Per witness and UTC day of block time; approximate, since each witness counts alone."""

    until_ms: TimeMs
    """First block time at which it opens nothing more; equals the ledger's."""

    v: Version
    erase_ms: TimeMs | None = None
    """When imported copies must be gone; only with mode `import`."""

    def __post_init__(self) -> None:
        """Raise ValueError for lists out of order, an empty time, or an end of no copy."""
        _check_ascending([item.tag for item in self.items], "items by tag")
        _check_ascending(self.practitioners, "practitioners")
        _check_ascending(self.purposes, "purposes")
        _check_ascending(self.roles, "roles")
        if self.from_ms >= self.until_ms:
            raise ValueError("expected from_ms before until_ms")
        if self.erase_ms is not None and self.mode != "import":
            raise ValueError("expected no erase_ms unless mode is import")


class Opening(Struct, frozen=True):
    """A tag's consent to the terms; without it the grant opens nothing under that tag."""

    signature: Signature
    """By the tag's control key over D("opening") ‖ network id ‖ commitment ‖ tag."""

    tag: Tag


class TagSeeds(Struct, frozen=True):
    """The seeds that open one generation of one tag over its item's window."""

    blocks: Seeds
    """Slot secrets of blocks covered in part."""

    generation: U32
    nodes: Seeds
    """Seeds of whole nodes."""

    tag: Tag


class SignedLink(Struct, frozen=True):
    """A leave to write, with its signature; see `acts.Link`."""

    link: bytes
    """Canonical bytes, signed as they stand."""

    signature: Signature


class Package(Struct, frozen=True):
    """All a reader needs, sealed to its sealing key with the grant's id as place."""

    keys: list[TagSeeds]
    """Ascending by tag and generation."""

    links: list[SignedLink]
    openings: list[Opening]
    """One a term's item, in the same order."""

    terms: bytes
    """Canonical bytes: the commitment is over them."""


class Leaf(SignedStruct, frozen=True):
    """What one intent says: who will open what for whom, why, until when."""

    domain: ClassVar[str] = "leaf"

    chain: Hash32
    intent: Id16
    """Random; names the session."""

    kind: Annotated[int, msgspec.Meta(ge=GRANT, le=GRANT)]

    notice: Hash32
    """SHA-256 of the sealed notice to the patient; zeros: none."""

    purpose: Purpose
    reader: Reader
    """Whose intents it stands in; a wallet signs the leaf as well (corrections 24)."""

    salt: Id16
    session_key: PublicKey
    """X25519, algorithm byte 1 of seals; shares are sealed to it."""

    session_ms: Annotated[int, msgspec.Meta(ge=1, le=SESSION_MS_MAX)]
    """How long after the intent's block shares are released; at most 15 minutes."""

    subject: Id16
    """Kind 0: the grant."""

    v: Version
    practitioner: Id16 | None = None
    """The person who reads; absent only for a wallet."""

    def __post_init__(self) -> None:
        """Raise ValueError unless a member's leaf names a practitioner and a wallet's none."""
        if (self.reader.member is None) != (self.practitioner is None):
            raise ValueError("expected a practitioner exactly if a member reads")


def read_terms(data: bytes) -> Terms:
    """Decode terms of at most 16 KiB; raises codec.Malformed, codec.NotCanonical."""
    if len(data) > TERMS_BYTES_MAX:
        raise codec.Malformed(f"expected terms of at most {TERMS_BYTES_MAX} bytes")
    return codec.decode(data, Terms)


def commitment(terms: bytes) -> bytes:
    """SHA-256(D("grant") ‖ terms' canonical bytes); 32 B, what the ledger holds of a grant."""
    return domain_hash("grant", terms)


def sign_opening(key: signing.SigningKey, chain: bytes, terms: bytes, tag: bytes) -> Opening:
    """Consent to the terms (canonical bytes) for one tag, by its control key."""
    signature = key.sign(_opening_bytes(chain, commitment(terms), tag))
    return Opening(signature=signature, tag=tag)


def check_opening(key: bytes, chain: bytes, committed: bytes, opening: Opening) -> None:
    """
    Check an opening by the tag's control key (33 B) of the state, for a commitment (32 B).

    Raises signing.SignatureRefused.
    """
    signing.verify(key, opening.signature, _opening_bytes(chain, committed, opening.tag))


def pack_package(package: Package) -> bytes:
    """Encode and pad a package to 1, 4, 16 or 64 KiB; raises sealing.PaddingRefused if larger."""
    return pad_package(codec.encode(package))


def unpack_package(padded: bytes) -> Package:
    """Take a package apart; raises sealing.PaddingRefused, codec.Malformed, codec.NotCanonical."""
    return codec.decode(unpad_package(padded), Package)


def _opening_bytes(chain: bytes, committed: bytes, tag: bytes) -> bytes:
    return signed_bytes("opening", chain, committed + tag)


def _check_ascending(values: Sequence[Ordered], what: str) -> None:
    for earlier, later in itertools.pairwise(values):
        if earlier >= later:
            raise ValueError(f"expected {what} ascending, each once")
