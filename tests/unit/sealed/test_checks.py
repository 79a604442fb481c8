"""What a member checks before its receipt, one code each."""

from typing import Any

import msgspec
import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.sealed import checks, container
from salus.sealed.container import Container
from salus.sealed.items import KIND_DEVICE_STREAM, Group
from tests.unit.sealed.world import AUTHOR, DAY, LABS, NOTES, batch, record

WHOLE = batch([record(LABS, DAY, 0), record(LABS, DAY, 1), record(NOTES, DAY, 2)])
GROUPS = 2
OWNER = 1 + GROUPS
SEAT = OWNER + 2
ENTRY = SEAT + 4
SECOND = ENTRY + [entry.index for entry in WHOLE.entries if entry].index(1)


def changed(at: int, **fields: Any) -> Container:
    """Change fields of one item; root and signature no longer fit."""
    kinds: list[Any] = [
        WHOLE.head,
        *WHOLE.groups,
        *WHOLE.owner_packets,
        *WHOLE.seat_packets,
        *WHOLE.entries,
    ]
    items = list(WHOLE.items)
    items[at] = codec.encode(msgspec.structs.replace(kinds[at], **fields))
    return container.parse(container.pack(items, WHOLE.blobs.values(), WHOLE.signature))


def without(at: int) -> Container:
    """Leave one item out."""
    items = [item for number, item in enumerate(WHOLE.items) if number != at]
    return container.parse(container.pack(items, WHOLE.blobs.values(), WHOLE.signature))


def test_an_honest_container_passes() -> None:
    """Nothing is said about a container as it should be."""
    checks.check_complete(WHOLE)
    checks.check_author(WHOLE, AUTHOR.service.public)
    checks.check_blobs(WHOLE)
    checks.check_form(WHOLE)


def test_a_pruned_container_is_not_accepted() -> None:
    """What is blanked cannot be committed, though what is left is in order."""
    pruned = container.parse(container.prune(WHOLE, {0}))
    checks.check_author(pruned, AUTHOR.service.public)
    checks.check_blobs(pruned)
    checks.check_form(pruned)
    with pytest.raises(Problem, match="BatchPruned"):
        checks.check_complete(pruned)


UNSIGNED = {
    "by another key": (WHOLE, SigningKey(bytes(32)).public),
    "over another root": (changed(0, seats=4), AUTHOR.service.public),
    "of another chain": (changed(0, chain=bytes(32)), AUTHOR.service.public),
    "naming another author": (changed(0, author=bytes(16)), AUTHOR.service.public),
}


@pytest.mark.parametrize(("parsed", "key"), UNSIGNED.values(), ids=UNSIGNED.keys())
def test_the_author_signs_chain_and_root(parsed: Container, key: bytes) -> None:
    """Nobody can send, or commit, a batch as its own that another sealed."""
    with pytest.raises(Problem, match="AuthorUnsigned") as refused:
        checks.check_author(parsed, key)

    assert {"code": "V3"} == refused.value.facts


def test_a_changed_blob_is_v6() -> None:
    """Each blob has its entry's hash."""
    blobs = [bytes(blob) for blob in WHOLE.blobs.values()]
    blobs[1] = bytes(len(blobs[1]))
    parsed = container.parse(container.pack(WHOLE.items, blobs, WHOLE.signature))
    with pytest.raises(Problem, match="BlobDiffers") as refused:
        checks.check_blobs(parsed)

    assert {"code": "V6"} == refused.value.facts


BAD_FORM = {
    "level 1": ("V10", changed(1, level=1)),
    "a block beyond the calendar": ("V10", changed(1, level=8, index=256)),
    "no owner packet": ("V11", without(OWNER)),
    "an owner packet of another generation": ("V11", changed(OWNER, generation=9)),
    "a threshold of none": ("V12", changed(0, threshold=0)),
    "a threshold above the seats": ("V12", changed(0, threshold=5)),
    "a seat without packet": ("V12", without(SEAT)),
    "a seat packet too short": ("V12", changed(SEAT, sealed=bytes(79))),
    "an owner packet too long": ("V12", changed(OWNER, sealed=bytes(81))),
    "a lock too short": ("V12", changed(1, p=bytes(79))),
    "a share missing": ("V12", changed(1, shares=bytes(96))),
    "a digest missing": ("V12", changed(1, digests=bytes(48))),
    "an unknown kind": ("V12", changed(1, kind=4)),
    "a stream with entries": ("V12", changed(1, kind=KIND_DEVICE_STREAM)),
    "an index left out": ("V12", changed(SECOND, index=2)),
}


@pytest.mark.parametrize(("code", "parsed"), BAD_FORM.values(), ids=BAD_FORM.keys())
def test_bad_form_has_its_code(code: str, parsed: Container) -> None:
    """Levels, then packets, then sizes."""
    with pytest.raises(Problem) as refused:
        checks.check_form(parsed)

    assert {"code": code} == refused.value.facts


def test_an_unpadded_blob_is_v12() -> None:
    """A blob's size is a padded one, or it would say how long the record is."""
    blobs = [bytes(blob) for blob in WHOLE.blobs.values()]
    items = list(WHOLE.items)
    last = WHOLE.entries[-1]
    assert last is not None
    items[-1] = codec.encode(msgspec.structs.replace(last, blob_bytes=last.blob_bytes + 1))
    head = msgspec.structs.replace(WHOLE.head, blobs_bytes=WHOLE.head.blobs_bytes + 1)
    items[0] = codec.encode(head)
    parsed = container.parse(container.pack(items, [*blobs, b"x"], WHOLE.signature))
    with pytest.raises(Problem, match="SizesWrong"):
        checks.check_form(parsed)


def test_a_stream_has_no_entries() -> None:
    """A group of kind 2 without entries passes: its chunks lie elsewhere."""
    empty = Group(
        kind=KIND_DEVICE_STREAM, tag=LABS.tag, generation=0, level=0, index=DAY, check=bytes(32),
        p=bytes(80), shares=bytes(128), digests=bytes(64), owner=bytes(32), author=bytes(32),
    )  # fmt: skip
    head = codec.encode(msgspec.structs.replace(WHOLE.head, groups=GROUPS + 1))
    items = [head, *WHOLE.items[1:OWNER], codec.encode(empty), *WHOLE.items[OWNER:]]
    parsed = container.parse(container.pack(items, WHOLE.blobs.values(), WHOLE.signature))
    checks.check_form(parsed)

    assert () == parsed.entries_of(GROUPS)
