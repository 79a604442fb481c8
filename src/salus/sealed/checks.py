"""
What a member checks of a container before it answers with a receipt (`patient-control.md` §5.2).

`container.parse` has done V1 and V2. The rest follows in the order of the codes; between these
stand the checks that need the ledger's state (V4 seats, V7-V9 tag, generation and link), which are
the node's. V5 is `container.root` against the claimed root, V13 is `shares.shares_of`.
Each raises a Problem whose fact `code` is the design's.
"""

import hashlib

from salus.base.errors import Category, Problem
from salus.base.sealing import SEAL_EXTRA_BYTES, TAG_BYTES, padme_bytes
from salus.base.signing import SignatureRefused, verify
from salus.sealed.container import Container, bytes_to_sign
from salus.sealed.days import BLOCK_LEVEL
from salus.sealed.items import KIND_DEVICE_STREAM, KIND_GENOME
from salus.sealed.locks import DIGEST_BYTES, SHARE_BYTES

SEATS_MAX = 16
"""Seats of a network (correction 8)."""

_SEALED_SECRET_BYTES = 32 + SEAL_EXTRA_BYTES


def check_complete(container: Container) -> None:
    """Check that nothing is blanked; raises Problem BatchPruned (V1)."""
    if not container.complete:
        raise _no(Category.MALFORMED, "BatchPruned", "V1", "a container with no blanked item")


def check_author(container: Container, service_key: bytes) -> None:
    """
    Check the signature by the service key (33 B) of the member that the head names as author.

    Raises Problem AuthorUnsigned (V3).
    """
    data = bytes_to_sign(container.head.chain, container.root)
    try:
        verify(service_key, container.signature, data)
    except SignatureRefused:
        raise _no(
            Category.UNVERIFIED, "AuthorUnsigned", "V3", "the author's signature over the root"
        ) from None


def check_blobs(container: Container) -> None:
    """Check each blob present against its entry's hash; raises Problem BlobDiffers (V6)."""
    for entry in filter(None, container.entries):
        blob = container.blobs[entry.group, entry.index]
        if hashlib.sha256(blob).digest() != entry.sha256:
            raise _no(Category.UNVERIFIED, "BlobDiffers", "V6", "blobs with the hashes of entries")


def check_form(container: Container) -> None:
    """Check levels, packets and sizes; raises Problem V10, V11, V12, in this order."""
    _check_levels(container)
    _check_owner_packets(container)
    _check_sizes(container)


def _check_levels(container: Container) -> None:
    for group in filter(None, container.groups):
        if group.level not in (0, BLOCK_LEVEL) or group.index >> (16 - group.level):
            raise _no(Category.INVALID, "LevelUnknown", "V10", "slots of level 0 or 8")


def _check_owner_packets(container: Container) -> None:
    present = {(packet.tag, packet.generation) for packet in container.owner_packets if packet}
    needed = {(group.tag, group.generation) for group in container.groups if group}
    if not needed <= present:
        raise _no(Category.INVALID, "OwnerPacketMissing", "V11", "an owner packet for each tag")


def _check_sizes(container: Container) -> None:
    seats = len(container.seat_packets)
    sealed = [packet.sealed for packet in container.seat_packets]
    sealed += [packet.sealed for packet in container.owner_packets if packet]
    held = (
        1 <= container.head.threshold <= seats <= SEATS_MAX
        and all(len(secret) == _SEALED_SECRET_BYTES for secret in sealed)
        and all(
            len(group.p) == _SEALED_SECRET_BYTES
            and len(group.shares) == seats * SHARE_BYTES
            and len(group.digests) == seats * DIGEST_BYTES
            and group.kind <= KIND_GENOME
            for group in container.groups
            if group
        )
        and all(_entries_fit(container, number) for number in range(len(container.groups)))
    )
    if not held:
        raise _no(Category.INVALID, "SizesWrong", "V12", "sizes by the suite, seats and padding")


def _entries_fit(container: Container, number: int) -> bool:
    """Whether a group's entries count from 0 and their blobs are padded; a stream has none."""
    group = container.groups[number]
    entries = container.entries_of(number)
    if group is None:
        return not entries
    return all(
        entry.index == place
        and entry.blob_bytes == padme_bytes(entry.blob_bytes - TAG_BYTES) + TAG_BYTES
        for place, entry in enumerate(entries)
    ) and (group.kind != KIND_DEVICE_STREAM or not entries)


def _no(category: Category, name: str, code: str, expected: str) -> Problem:
    return Problem(
        category, name, f"the container is refused: expected {expected}; build it again", code=code
    )
