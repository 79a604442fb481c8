"""
The two locks of a group, and every key and digest below them (`patient-control.md` §3.4).

    P    the patient's lock, sealed to the public key of the slot
    N    the network's lock, split over the seats; each share hidden by the seat's mask
    GK   the group key, from P ⊕ N and the group's place; `check` is derived from it
    RK   a record's key, from GK; encrypts one record, and gives the salt of its commitment

Owner and author hold GK itself, hidden by masks of their own. Every way to GK must give the
group's `check`, so that no ciphertext means two things to two readers (`security.md` §4.4).
"""

import hmac
from dataclasses import dataclass

from salus.base.errors import Category, Problem
from salus.base.hashing import domain_hash, sha256, u8, u16, u32
from salus.base.sealing import (
    SealingKey,
    SealRefused,
    binding,
    decrypt_once,
    derive,
    encrypt_once,
    expand,
    extract,
    seal,
)
from salus.base.shamir import xor

SHARE_BYTES = 32
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group lies; its key and its patient's lock are bound to all of it."""

    chain: bytes
    """32 B network id."""

    batch: bytes
    """16 B, random; it names one container ever sent."""

    group: int
    """Position in the batch; u16."""

    tag: bytes
    """16 B."""

    generation: int
    """The tag's key version; u32."""

    level: int
    """0 (a day) or 8 (a block of 256 days)."""

    index: int
    """Of the slot in its level; u16."""


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record lies inside its batch."""

    group: int
    index: int
    """Position in the group; u16."""

    record: bytes
    """16 B id, the same for all versions."""

    version: int
    """u32."""


def group_key(p: bytes, n: bytes, place: Place) -> bytes:
    """GK from both locks; 32 B."""
    return derive(xor(p, n), "group", place.chain + _fields(place))


def check_of(key: bytes) -> bytes:
    """What the group item says of its key; 32 B."""
    return derive(key, "check")


def checked(key: bytes, check: bytes) -> bytes:
    """
    Give `key` back if it is the group's.

    Raises Problem LocksDiffer: this way leads to another key than the others, so the author lied
    or someone exchanged a lock.
    """
    if not hmac.compare_digest(check_of(key), check):
        raise Problem(
            Category.UNVERIFIED,
            "LocksDiffer",
            "this way to the group's key does not give its check; report the batch's author",
        )
    return key


def record_key(key: bytes, index: int) -> bytes:
    """RK of record `index` of the group; 32 B."""
    return derive(key, "record", u16(index))


def content_of(salt: bytes, meta: bytes, body: bytes) -> bytes:
    """
    The commitment of a record's exact bytes; 32 B.

    The salt comes from RK, so the commitment says nothing to anyone once RK is gone.
    """
    return domain_hash("content", salt, sha256(meta), sha256(body))


def salt_of(record_secret: bytes) -> bytes:
    """Salt of a record's commitment; 16 B. With meta and body it proves one record to anybody."""
    return derive(record_secret, "salt")[:16]


def seal_patient_lock(slot_key: bytes, p: bytes, place: Place) -> bytes:
    """Seal P to a slot's public key (32 B); 80 B."""
    return seal(slot_key, p, "patient-lock", place.chain, _fields(place))


def open_patient_lock(key: SealingKey, sealed: bytes, place: Place) -> bytes:
    """Open P by the slot's key; raises Problem SealNotYours."""
    return _unsealed(key, sealed, "patient-lock", place.chain, _fields(place))


def seal_seat_packet(public: bytes, secret: bytes, chain: bytes, batch: bytes, x: int) -> bytes:
    """Seal K_x to the holder of seat `x`; 80 B."""
    return seal(public, secret, "seat-packet", chain, batch + u8(x))


def open_seat_packet(key: SealingKey, sealed: bytes, chain: bytes, batch: bytes, x: int) -> bytes:
    """Open K_x by the holder's sealing key; raises Problem SealNotYours."""
    return _unsealed(key, sealed, "seat-packet", chain, batch + u8(x))


def seal_owner_packet(
    public: bytes, secret: bytes, chain: bytes, batch: bytes, tag: bytes, generation: int
) -> bytes:
    """Seal K_o to a tag's owner key; 80 B."""
    return seal(public, secret, "owner-packet", chain, batch + tag + u32(generation))


def open_owner_packet(
    key: SealingKey, sealed: bytes, chain: bytes, batch: bytes, tag: bytes, generation: int
) -> bytes:
    """Open K_o by the tag's owner key of that generation; raises Problem SealNotYours."""
    fields = batch + tag + u32(generation)
    return _unsealed(key, sealed, "owner-packet", chain, fields)


def author_secret(retention_key: bytes, chain: bytes, batch: bytes) -> bytes:
    """The secret behind the author's masks of one batch, from its retention key (32 B)."""
    return derive(retention_key, "author", chain + batch)


class Masks:
    """The masks of one secret (K_x, K_o or the author's) in one batch: XOR hides and shows."""

    def __init__(self, secret: bytes, batch: bytes) -> None:
        """Take the secret's first half of HKDF once for all groups."""
        self._extracted = extract(secret)
        self._batch = batch

    def apply(self, value: bytes, group: int) -> bytes:
        """Hide a value of 32 B, or show a hidden one; each mask hides one value, ever."""
        return xor(value, expand(self._extracted, "mask", self._batch + u16(group)))


def share_digest(batch: bytes, group: int, x: int, share: bytes) -> bytes:
    """By what a witness checks its share and a reader names who lied; 16 B."""
    return domain_hash("share", batch, u16(group), u8(x), share)[:DIGEST_BYTES]


def encrypt_record(
    record_secret: bytes, padded: bytes, chain: bytes, batch: bytes, place: RecordPlace
) -> bytes:
    """Encrypt one padded record by its RK; + 16 B."""
    return encrypt_once(record_secret, padded, _record_binding(chain, batch, place))


def decrypt_record(
    record_secret: bytes,
    blob: bytes | memoryview,
    chain: bytes,
    batch: bytes,
    place: RecordPlace,
) -> bytes:
    """Open one record's blob; raises Problem RecordAltered."""
    try:
        return decrypt_once(record_secret, blob, _record_binding(chain, batch, place))
    except SealRefused:
        raise Problem(
            Category.UNVERIFIED,
            "RecordAltered",
            "the blob does not open in its place; fetch the batch from another holder",
        ) from None


def _fields(place: Place) -> bytes:
    slot = u8(place.level) + u16(place.index)
    return place.batch + u16(place.group) + place.tag + u32(place.generation) + slot


def _record_binding(chain: bytes, batch: bytes, place: RecordPlace) -> bytes:
    fields = batch + u16(place.group) + u16(place.index) + place.record + u32(place.version)
    return binding("record", chain, fields)


def _unsealed(key: SealingKey, sealed: bytes, label: str, chain: bytes, fields: bytes) -> bytes:
    try:
        secret = key.unseal(sealed, label, chain, fields)
    except SealRefused:
        secret = b""
    if len(secret) != 32:
        raise Problem(
            Category.UNVERIFIED,
            "SealNotYours",
            f"the {label} does not open: another key, another place, or altered bytes",
        )
    return secret
