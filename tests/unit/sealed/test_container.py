"""The container: one root over its items, whole or pruned; anything else is refused by name."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base import codec
from salus.base.errors import Problem
from salus.base.limits import CONTAINER_BYTES_MAX
from salus.client import unseal
from salus.client.unseal import open_as_author
from salus.sealed import container
from salus.sealed.container import Container
from salus.sealed.items import Entry
from tests.unit.sealed.world import AUTHOR, DAY, LABS, NOTES, batch, record, sealed

RECORDS = [
    record(LABS, DAY, 0), record(LABS, DAY, 1), record(LABS, DAY + 1, 2), record(NOTES, DAY, 3),
]  # fmt: skip
SEALED = sealed(RECORDS)
WHOLE = container.parse(SEALED.container)
GROUPS = len(WHOLE.groups)


def relaid(items: Sequence[bytes], blobs: Sequence[bytes | memoryview] | None = None) -> bytes:
    """Lay out a container of other items or blobs under the same signature."""
    blobs = tuple(WHOLE.blobs.values()) if blobs is None else blobs
    return container.pack(items, blobs, WHOLE.signature)


def changed(at: int, **fields: Any) -> bytes:
    """Lay out the container with fields of one item changed."""
    kinds: list[Any] = [
        WHOLE.head,
        *WHOLE.groups,
        *WHOLE.owner_packets,
        *WHOLE.seat_packets,
        *WHOLE.entries,
    ]
    items = list(WHOLE.items)
    items[at] = codec.encode(msgspec.structs.replace(kinds[at], **fields))
    return relaid(items)


def test_the_layout_is_the_documented_one() -> None:
    """Magic, length of the items, items, blobs end to end, signature."""
    data = SEALED.container
    items_bytes = int.from_bytes(data[8:12], "big")

    assert b"SALUSB1\n" == data[:8]
    assert WHOLE.items == codec.decode(data[12 : 12 + items_bytes], list[bytes])
    assert len(data) == 12 + items_bytes + WHOLE.head.blobs_bytes + 65
    assert SEALED.root == WHOLE.root
    assert (3, 4, 4, 2) == (
        GROUPS, len(WHOLE.entries), len(WHOLE.seat_packets), len(WHOLE.owner_packets)
    )  # fmt: skip
    assert WHOLE.complete


@given(st.sets(st.integers(0, GROUPS - 1)))
@settings(max_examples=20)
def test_a_pruned_container_keeps_its_root(keep: set[int]) -> None:
    """Blanking changes neither root nor signature; only what is kept is there and opens."""
    pruned = container.parse(container.prune(WHOLE, keep))

    assert WHOLE.root == pruned.root
    assert WHOLE.signature == pruned.signature
    assert keep == {number for number, group in enumerate(pruned.groups) if group}
    assert keep == {group for group, _ in pruned.blobs}
    opened = [opened.number for opened in open_as_author(pruned, AUTHOR.retention_key)]
    assert sorted(keep) == opened
    for number in keep:
        for entry in pruned.entries_of(number):
            assert WHOLE.blobs[number, entry.index] == pruned.blobs[number, entry.index]


@given(st.sets(st.integers(0, GROUPS - 1)), st.sets(st.integers(0, GROUPS - 1)))
@settings(max_examples=20)
def test_pruning_twice_is_pruning_once(first: set[int], second: set[int]) -> None:
    """An erased container serves readers by the same step."""
    once = container.parse(container.prune(WHOLE, first))

    assert container.prune(WHOLE, first & second) == container.prune(once, second)


def test_a_pruned_container_says_nothing_of_the_rest() -> None:
    """No tag, link, lock or entry of a blanked group is left in the bytes."""
    group = next(
        number for number, each in enumerate(WHOLE.groups) if each and each.tag != LABS.tag
    )
    pruned = container.prune(WHOLE, set(range(GROUPS)) - {group})

    assert NOTES.tag in SEALED.container
    assert NOTES.tag not in pruned
    with pytest.raises(Problem, match="GroupBlanked"):
        container.parse(pruned).group(group)


def test_unknown_groups_and_tags_are_named() -> None:
    """Asking for what is not there is a named answer."""
    for number in (-1, GROUPS):
        with pytest.raises(Problem, match="GroupUnknown"):
            WHOLE.group(number)
    with pytest.raises(Problem, match="OwnerPacketUnknown"):
        WHOLE.owner_packet(LABS.tag, 1)


HEAD = 0
OWNER = 1 + GROUPS
SEAT = OWNER + 2
ENTRY = SEAT + 4
SECOND = ENTRY + [entry.index for entry in WHOLE.entries if entry].index(1)
ITEMS = WHOLE.items
FIRST = WHOLE.entries[0]
assert isinstance(FIRST, Entry)
BLOBS = [bytes(blob) for blob in WHOLE.blobs.values()]
MALFORMED = {
    "nothing": b"",
    "another magic": b"SALUSB2\n" + SEALED.container[8:],
    "items beyond the end": SEALED.container[:8] + b"\xff\xff\xff\xff" + SEALED.container[12:],
    "items that are no array": container.MAGIC + b"\x00\x00\x00\x01\x01",
    "no items": relaid([]),
    "an array not canonical": container.MAGIC + b"\x00\x00\x00\x03\xdc\x00\x00" + bytes(65),
    "a blanked head": relaid([bytes(32), *ITEMS[1:]]),
    "another version": changed(HEAD, v=2),
    "more items counted than there": changed(HEAD, groups=9, entries=9),
    "overlapping counts of blanks": relaid(
        [codec.encode(msgspec.structs.replace(WHOLE.head, groups=3, entries=3)), *[bytes(32)] * 3]
    ),
    "a group as owner packet": relaid([*ITEMS[:OWNER], ITEMS[1], *ITEMS[OWNER:]]),
    "more owner packets than groups": relaid(
        [*ITEMS[:OWNER], *[bytes(32)] * 4, *ITEMS[OWNER + 2 :]]
    ),
    "owner packets out of order": relaid(
        [*ITEMS[:OWNER], ITEMS[OWNER + 1], ITEMS[OWNER], *ITEMS[SEAT:]]
    ),
    "an owner packet twice": relaid([*ITEMS[:OWNER], *[ITEMS[OWNER]] * 2, *ITEMS[SEAT:]]),
    "a blanked seat packet": relaid([*ITEMS[: SEAT + 1], bytes(32), *ITEMS[SEAT + 2 :]]),
    "a seat twice": relaid([*ITEMS[:SEAT], ITEMS[SEAT], ITEMS[SEAT], *ITEMS[SEAT + 2 :]]),
    "seat 0": changed(SEAT, x=0),
    "an unknown item": relaid([*ITEMS[:-1], codec.encode({"a": bytes(40)})]),
    "entries out of order": changed(SECOND, index=0),
    "an entry of no group": changed(ENTRY + 3, group=GROUPS),
    "an offset before its place": changed(ENTRY + 1, offset=0),
    "a gap between blobs": changed(ENTRY + 1, offset=FIRST.blob_bytes + 1),
    "blobs longer than stated": changed(HEAD, blobs_bytes=WHOLE.head.blobs_bytes - 1),
    "blobs shorter than stated": changed(HEAD, blobs_bytes=WHOLE.head.blobs_bytes + 1),
    "a blob missing": relaid(ITEMS, BLOBS[1:]),
    "a blob too many": relaid(ITEMS, [*BLOBS, b"x"]),
    "no signature": SEALED.container[:-65],
}  # fmt: skip


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_container_is_refused(data: bytes) -> None:
    """One name and code for all of it: V1."""
    with pytest.raises(Problem, match="BatchMalformed") as refused:
        container.parse(data)

    assert {"code": "V1"} == refused.value.facts


@given(st.integers(0, len(SEALED.container) - 1), st.integers(1, 255))
@settings(max_examples=200)
def test_no_flipped_byte_passes(at: int, flip: int) -> None:
    """A changed byte is refused, or changes root, blob hash or signature."""
    data = bytearray(SEALED.container)
    data[at] ^= flip
    try:
        parsed = container.parse(bytes(data))
    except Problem:
        return

    assert (WHOLE.root, WHOLE.signature, WHOLE.blobs) != (
        parsed.root, parsed.signature, parsed.blobs
    )  # fmt: skip


def test_an_unknown_suite_is_v2() -> None:
    """Suite 2 is not yet sealed or opened here."""
    with pytest.raises(Problem, match="SuiteUnknown") as refused:
        container.parse(changed(HEAD, suite=2))

    assert {"code": "V2"} == refused.value.facts


TOO_LARGE = {
    "bytes": bytes(CONTAINER_BYTES_MAX + 1),
    "groups": changed(HEAD, groups=1_025),
    "entries": changed(HEAD, entries=4_097),
}


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_container_has_bounds(data: bytes) -> None:
    """Size and counts are refused before anything is decoded for them."""
    with pytest.raises(Problem, match="BatchTooLarge"):
        container.parse(data)


def swapped(one: Container, other: Container, at: int) -> Container:
    """Exchange a whole item against one of another batch."""
    items = list(one.items)
    items[at] = other.items[at]
    return container.parse(container.pack(items, one.blobs.values(), one.signature))


def test_an_item_of_another_batch_changes_the_root_and_does_not_open() -> None:
    """A group's item is bound to its batch, even to an author who does not look at roots."""
    mixed = swapped(WHOLE, batch(RECORDS), 1)

    assert WHOLE.root != mixed.root
    with pytest.raises(Problem, match="LocksDiffer"):
        list(unseal.open_as_author(mixed, AUTHOR.retention_key))
