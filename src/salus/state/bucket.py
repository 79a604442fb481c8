"""
A bucket: the rows under one short prefix, as one record of the store.

Record: `root 32 ‖ kind u8 ‖ entries`, each entry `path 32 ‖ value hash 32 ‖ leaf 32`, sorted by
path; a bucket without rows has no record and is written `b""`. Its number is its node's index in
the heap, 2^T + the first T bits of its paths, so that buckets of different T never share a number.
The leaf hashes are kept so that a change refolds a bucket without reading its rows.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from salus.state.proof import EMPTY, NODE_TAG, PATH_BITS

NOTHING, LEAF, NODE = 0, 1, 2
"""Kinds of a subtree: without rows, with one, with more."""

HEAD_BYTES = 33
ENTRY_BYTES = 96


def merge(record: bytes, changes: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """
    The bucket's entries after the changes, sorted by path.

    `changes`: (path, new entry), the entry `b""` to take the row away. O(entries).
    """
    entries = {entry[:32]: entry for entry in entries_of(record)}
    for path, entry in changes:
        if entry:
            entries[path] = entry
        else:
            entries.pop(path, None)
    return [entries[path] for path in sorted(entries)]


def pack(entries: Sequence[bytes], depth: int) -> bytes:
    """The record of these entries, which share the first `depth` bits; `b""` for none."""
    if not entries:
        return b""
    kind = b"\x01" if len(entries) == 1 else b"\x02"
    return b"".join((fold(entries, depth), kind, *entries))


def entries_of(record: bytes) -> list[bytes]:
    """The record's entries, sorted by path."""
    return [record[at : at + ENTRY_BYTES] for at in range(HEAD_BYTES, len(record), ENTRY_BYTES)]


def fold(entries: Sequence[bytes], depth: int) -> bytes:
    """
    The hash of the subtree at `depth` (0 the root) over the entries sorted by path; O(entries).

    All entries share the first `depth` bits of their paths.
    """
    if not entries:
        return EMPTY
    if len(entries) == 1:
        return entries[0][64:]
    return _fold([(int.from_bytes(entry[:32], "big"), entry[64:]) for entry in entries], depth)


def split(entries: Sequence[bytes], depth: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The entries whose path has bit `depth` (0 the first) clear, and those that have it set."""
    byte, mask = depth >> 3, 0x80 >> (depth & 7)
    at = sum(not entry[byte] & mask for entry in entries)
    return entries[:at], entries[at:]


def _fold(leaves: list[tuple[int, bytes]], depth: int) -> bytes:
    """`fold` for two or more leaves as (path as a number, hash)."""
    first = leaves[0][0]
    below = (first ^ leaves[-1][0]).bit_length() - 1
    # Bit `below` (0 the path's last) is the first in which they differ: there the subtree forks.
    left, right = leaves[:1], leaves[1:]
    while len(right) > 1 and not right[0][0] >> below & 1:
        left.append(right.pop(0))
    fork = PATH_BITS - 1 - below
    digest = sha256(
        NODE_TAG
        + (left[0][1] if len(left) == 1 else _fold(left, fork + 1))
        + (right[0][1] if len(right) == 1 else _fold(right, fork + 1))
    ).digest()
    for bit in range(below + 1, PATH_BITS - depth):
        pair = EMPTY + digest if first >> bit & 1 else digest + EMPTY
        digest = sha256(NODE_TAG + pair).digest()
    return digest
