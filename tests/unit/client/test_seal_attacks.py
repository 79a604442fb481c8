"""Attacks on sealed batches, each refused by name."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from salus.base import codec
from salus.base.errors import Problem
from salus.base.sealing import SealingKey, decrypt_once, encrypt_once
from salus.client.unseal import Owner, SlotKeys, open_as_author, open_as_reader
from salus.sealed import checks, container, locks
from salus.sealed.container import Container
from salus.sealed.items import Entry
from salus.sealed.locks import Masks
from salus.sealed.record import pack_record
from salus.sealed.shares import shares_of
from tests.unit.sealed.world import (
    AUTHOR,
    CHAIN,
    DAY,
    HOLDERS,
    LABS,
    NOTES,
    batch,
    reader_keys,
    record,
    released,
)

RECORDS = [record(LABS, DAY, 0), record(LABS, DAY + 1, 1), record(NOTES, DAY, 2)]
WHOLE = batch(RECORDS)
OTHER = batch(RECORDS)
LAB, NEXT_LAB = (
    number for number, group in enumerate(WHOLE.groups) if group and group.tag == LABS.tag
)
NOTE = 3 - LAB - NEXT_LAB


def forged(changes: Mapping[int, bytes], blobs: Iterable[bytes | memoryview] = ()) -> Container:
    """A container with other items, signed by its own author: a liar signs what it likes."""
    items = [changes.get(at, item) for at, item in enumerate(WHOLE.items)]
    root = container.root_of(items)
    signature = AUTHOR.service.sign(container.bytes_to_sign(CHAIN, root))
    return container.parse(container.pack(items, tuple(blobs) or WHOLE.blobs.values(), signature))


def with_group(number: int, **fields: Any) -> Container:
    """Change fields of one group."""
    group = msgspec.structs.replace(WHOLE.group(number), **fields)
    return forged({1 + number: codec.encode(group)})


def read(parsed: Container, number: int = LAB, keys: SlotKeys | None = None) -> list[bytes]:
    """Open a group as a reader whom the patient and t witnesses let in."""
    shares = released(WHOLE, number)
    keys = keys or reader_keys(DAY, DAY + 1)
    return [
        each.body for each in open_as_reader(parsed, number, shares=shares, keys=keys).records()
    ]


SWAPPED = {
    "P of another group": ("SealNotYours", {"p": WHOLE.group(NEXT_LAB).p}),
    "P of another tag": ("SealNotYours", {"p": WHOLE.group(NOTE).p}),
    "P of another batch": ("SealNotYours", {"p": OTHER.group(LAB).p}),
    "the check of another group": ("LocksDiffer", {"check": WHOLE.group(NEXT_LAB).check}),
    "the digests of another group": ("TooFewShares", {"digests": WHOLE.group(NEXT_LAB).digests}),
    "another generation": ("TagNotCovered", {"generation": 1}),
    "another tag": ("SealNotYours", {"tag": NOTES.tag}),
    "another day": ("SealNotYours", {"index": DAY + 1}),
    "a day outside the grant": ("SlotNotCovered", {"index": DAY + 2}),
}


@pytest.mark.parametrize(("name", "fields"), SWAPPED.values(), ids=SWAPPED.keys())
def test_a_swapped_lock_or_header_does_not_open(name: str, fields: dict[str, Any]) -> None:
    """Locks and headers open in their own group, tag, slot and batch alone."""
    keys = reader_keys(DAY, DAY + 1)

    assert [RECORDS[0].body] == read(WHOLE, keys=keys) == read(WHOLE, keys=keys)
    with pytest.raises(Problem, match=name):
        read(with_group(LAB, **fields), keys=keys)


def test_n_of_another_batch_is_blamed() -> None:
    """Shares of another batch have other digests; who sends them is named."""
    with pytest.raises(Problem, match="TooFewShares") as refused:
        open_as_reader(WHOLE, LAB, shares=released(OTHER, LAB), keys=reader_keys())

    assert {"blamed": (1, 2, 5)} == refused.value.facts


def entries_at() -> list[int]:
    """Positions of the entries' items, in the order of groups."""
    return [len(WHOLE.items) - 3 + number for number in range(3)]


def test_a_swapped_blob_does_not_open() -> None:
    """A blob of another group, with a matching entry, is not decrypted in its place."""
    blobs = [bytes(blob) for blob in WHOLE.blobs.values()]
    blobs[LAB], blobs[NEXT_LAB] = blobs[NEXT_LAB], blobs[LAB]
    changes = {}
    for at, blob, entry in zip(entries_at(), blobs, WHOLE.entries, strict=True):
        assert isinstance(entry, Entry)
        sha256 = hashlib.sha256(blob).digest()
        changes[at] = codec.encode(msgspec.structs.replace(entry, sha256=sha256))
    parsed = forged(changes, blobs)
    checks.check_blobs(parsed)
    with pytest.raises(Problem, match="RecordAltered"):
        read(parsed)


@pytest.mark.parametrize("fields", [{"record": bytes(16)}, {"version": 2}])
def test_a_relabelled_entry_does_not_open(fields: dict[str, Any]) -> None:
    """A record's id and version are bound to its blob."""
    entry = WHOLE.entries[LAB]
    assert isinstance(entry, Entry)
    changed = codec.encode(msgspec.structs.replace(entry, **fields))
    with pytest.raises(Problem, match="RecordAltered"):
        read(forged({entries_at()[LAB]: changed}))


def test_another_content_is_refused() -> None:
    """An author cannot commit to one text and seal another."""
    (opened,) = (each for each in open_as_author(WHOLE, AUTHOR.retention_key) if each.number == LAB)
    entry = WHOLE.entries[LAB]
    assert isinstance(entry, Entry)
    key = locks.record_key(opened.key, 0)
    padded = pack_record(codec.encode(RECORDS[0].meta), b'{"resourceType":"Observation","id":"oX"}')
    blob = locks.encrypt_record(key, padded, CHAIN, WHOLE.head.batch, entry.place)
    blobs = [bytes(each) for each in WHOLE.blobs.values()]
    assert len(blob) == len(blobs[LAB])
    blobs[LAB] = blob
    with pytest.raises(Problem, match="RecordAltered"):
        read(forged({}, blobs))


def test_an_owner_wrap_of_another_key_is_refused() -> None:
    """An author that gives the owner another key than the readers is found by the owner."""
    parsed = with_group(LAB, owner=bytes(32))
    with pytest.raises(Problem, match="LocksDiffer"):
        list(Owner(parsed, LABS.tag, 0, LABS.owner(0)).groups())


def test_a_stranger_opens_nothing() -> None:
    """Another owner key, retention key or compartment's seeds open nothing."""
    with pytest.raises(Problem, match="SealNotYours"):
        Owner(WHOLE, LABS.tag, 0, NOTES.owner(0))
    with pytest.raises(Problem, match="LocksDiffer"):
        list(open_as_author(WHOLE, bytes(32)))
    with pytest.raises(Problem, match="SealNotYours"):
        read(WHOLE, keys=SlotKeys({(LABS.tag, 0): NOTES.seeds(0, DAY, DAY)}))
    with pytest.raises(Problem, match="SealNotYours"):
        shares_of(WHOLE, 1, SealingKey.random())


def test_each_lock_alone_opens_nothing() -> None:
    """All seats without the patient's seeds, and the seeds without t seats, are refused."""
    everyone = {x: shares_of(WHOLE, x, key)[LAB] for x, key in HOLDERS.items()}
    with pytest.raises(Problem, match="TagNotCovered"):
        open_as_reader(WHOLE, LAB, shares=everyone, keys=SlotKeys({}))
    with pytest.raises(Problem, match="TooFewShares"):
        open_as_reader(WHOLE, LAB, shares={}, keys=reader_keys())


# A ciphertext that opens under two keys. AES-GCM's tag is E(J0) ⊕ GHASH, linear in each block of
# the ciphertext: with one block free, the tags under two keys are made equal.

_FIELD = 0xE1 << 120


def times(left: int, right: int) -> int:
    """Multiply in GCM's GF(2^128), bits reflected (NIST SP 800-38D §6.3)."""
    total = 0
    for bit in range(127, -1, -1):
        if left >> bit & 1:
            total ^= right
        right = right >> 1 ^ (_FIELD if right & 1 else 0)
    return total


def inverse(value: int) -> int:
    """The 2^128 − 2nd power."""
    power, total = value, 1 << 127
    for _ in range(127):
        power = times(power, power)
        total = times(total, power)
    return total


def block(key: bytes, data: bytes) -> int:
    """AES-256 of one block."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 (one block is what GCM's parts are)
    return int.from_bytes(encryptor.update(data), "big")


def two_key_ciphertext(one: bytes, other: bytes) -> bytes:
    """32 bytes and a tag that open under both keys, with nonce zero and nothing bound."""
    first = bytes(range(16))
    lengths = 32 * 8
    known, factor = 0, 0
    for key in (one, other):
        h = block(key, bytes(16))
        square = times(h, h)
        known ^= times(int.from_bytes(first, "big"), times(square, h)) ^ times(lengths, h)
        known ^= block(key, bytes(15) + b"\x01")
        factor ^= square
    ciphertext = first + times(known, inverse(factor)).to_bytes(16, "big")
    # One key's tag is the other's: take it from its own encryption of what it decrypts to.
    stream = encrypt_once(one, bytes(32), b"")[:32]
    plain = bytes(a ^ b for a, b in zip(stream, ciphertext, strict=True))
    return encrypt_once(one, plain, b"")


def test_a_two_key_ciphertext_is_stopped_by_check() -> None:
    """Such ciphertexts exist; the owner's key is compared with `check` before it is used."""
    honest = next(
        each for each in open_as_author(WHOLE, AUTHOR.retention_key) if each.number == LAB
    )
    other = bytes([0xEE]) * 32
    both = two_key_ciphertext(locks.record_key(honest.key, 0), locks.record_key(other, 0))

    assert decrypt_once(locks.record_key(honest.key, 0), both, b"") != decrypt_once(
        locks.record_key(other, 0), both, b""
    )
    masks = Masks(owner_secret(), WHOLE.head.batch)
    parsed = with_group(LAB, owner=masks.apply(other, LAB))
    with pytest.raises(Problem, match="LocksDiffer"):
        list(Owner(parsed, LABS.tag, 0, LABS.owner(0)).groups())


def owner_secret() -> bytes:
    """K_o, as the lying author knows it."""
    packet = WHOLE.owner_packet(LABS.tag, 0)
    return locks.open_owner_packet(
        LABS.owner(0), packet.sealed, CHAIN, WHOLE.head.batch, LABS.tag, 0
    )
