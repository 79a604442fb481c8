"""The two locks: whatever is moved from its place opens nothing."""

import dataclasses
from typing import Any

import pytest

from salus.base.errors import Problem
from salus.base.sealing import SealingKey
from salus.sealed import locks
from salus.sealed.locks import Masks, Place, RecordPlace

PLACE = Place(bytes(32), b"b" * 16, 3, b"t" * 16, 0, 0, 46_346)
KEY = SealingKey(bytes([7]) * 32)
P = bytes([7]) * 32
N = bytes([9]) * 32

MOVED = {
    "chain": bytes([1]) * 32,
    "batch": b"B" * 16,
    "group": 4,
    "tag": b"T" * 16,
    "generation": 1,
    "level": 8,
    "index": 46_347,
}


@pytest.mark.parametrize(("field", "value"), MOVED.items())
def test_a_group_key_belongs_to_one_place(field: str, value: Any) -> None:
    """Chain, batch, group, tag, generation and slot all enter GK."""
    moved = dataclasses.replace(PLACE, **{field: value})

    assert locks.group_key(P, N, PLACE) != locks.group_key(P, N, moved)


@pytest.mark.parametrize(("field", "value"), MOVED.items())
def test_a_patient_lock_opens_in_one_place(field: str, value: Any) -> None:
    """The same fields are bound to the seal of P."""
    sealed = locks.seal_patient_lock(KEY.bare, P, PLACE)

    assert P == locks.open_patient_lock(KEY, sealed, PLACE)
    with pytest.raises(Problem, match="SealNotYours"):
        locks.open_patient_lock(KEY, sealed, dataclasses.replace(PLACE, **{field: value}))


def test_packets_open_in_one_place() -> None:
    """A seat's packet is bound to its number, an owner's to tag and generation."""
    chain, batch, tag = PLACE.chain, PLACE.batch, PLACE.tag
    seat = locks.seal_seat_packet(KEY.public, P, chain, batch, 4)
    owner = locks.seal_owner_packet(KEY.public, P, chain, batch, tag, 1)

    assert P == locks.open_seat_packet(KEY, seat, chain, batch, 4)
    assert P == locks.open_owner_packet(KEY, owner, chain, batch, tag, 1)
    with pytest.raises(Problem, match="SealNotYours"):
        locks.open_seat_packet(KEY, seat, chain, batch, 5)
    with pytest.raises(Problem, match="SealNotYours"):
        locks.open_owner_packet(KEY, owner, chain, batch, tag, 2)


def test_a_sealed_secret_has_32_bytes() -> None:
    """A seal of another length is refused, though it opens."""
    sealed = locks.seal_patient_lock(KEY.bare, P + b"\x00", PLACE)
    with pytest.raises(Problem, match="SealNotYours"):
        locks.open_patient_lock(KEY, sealed, PLACE)


def test_check_names_one_key() -> None:
    """A key that does not give the group's check is not used."""
    key = locks.group_key(P, N, PLACE)

    assert key == locks.checked(key, locks.check_of(key))
    with pytest.raises(Problem, match="LocksDiffer"):
        locks.checked(P, locks.check_of(key))


def test_masks_differ_by_secret_batch_and_group() -> None:
    """No two places share a mask; applying one twice shows the value again."""
    masked = {
        Masks(secret, batch).apply(bytes(32), group)
        for secret in (P, N)
        for batch in (b"b" * 16, b"B" * 16)
        for group in range(4)
    }

    assert 16 == len(masked)
    assert P == Masks(N, b"b" * 16).apply(Masks(N, b"b" * 16).apply(P, 1), 1)


RECORD = RecordPlace(3, 1, b"r" * 16, 2)
RECORD_MOVED = {"group": 4, "index": 0, "record": b"R" * 16, "version": 3}


@pytest.mark.parametrize(("field", "value"), RECORD_MOVED.items())
def test_a_record_opens_in_one_place(field: str, value: Any) -> None:
    """Group, index, record and version are bound to a blob."""
    blob = locks.encrypt_record(P, b"padded", bytes(32), PLACE.batch, RECORD)

    assert b"padded" == locks.decrypt_record(P, blob, bytes(32), PLACE.batch, RECORD)
    moved = dataclasses.replace(RECORD, **{field: value})
    with pytest.raises(Problem, match="RecordAltered"):
        locks.decrypt_record(P, blob, bytes(32), PLACE.batch, moved)


def test_content_needs_the_salt() -> None:
    """The commitment changes with salt, meta and body, and each record has its own salt."""
    salt = locks.salt_of(locks.record_key(P, 0))
    contents = {
        locks.content_of(salt, b"meta", b"body"),
        locks.content_of(salt, b"metab", b"ody"),
        locks.content_of(locks.salt_of(locks.record_key(P, 1)), b"meta", b"body"),
    }

    assert 16 == len(salt)
    assert 3 == len(contents)
