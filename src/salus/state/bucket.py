"""
A bucket: the rows under one short prefix, as one record of the store.

Record: `root 32 ‖ kind u8 ‖ entries`, each entry `path 32 ‖ value hash 32 ‖ leaf 32`, sorted by
path; a bucket without rows has no record and is written `b""`. Its number is its node's index in
the heap, 2^T + the first T bits of its paths, so that buckets of different T never share a number.
The leaf hashes are kept so that a change refolds a bucket without reading its rows.
"""

from collections.abc import Sequence
from hashlib import sha256

from salus.state.proof import EMPTY, NODE_TAG, PATH_BITS

NOTHING, LEAF, NODE = 0, 1, 2
"""Kinds of a subtree: without rows, with one, with more."""

HEAD_BYTES = 33
ENTRY_BYTES = 96

LEAF_AT = 64
"""Where an entry's leaf hash starts."""


def change(record: bytes, changes: Sequence[tuple[bytes, bytes]], depth: int) -> bytes:
    """
    The bucket's record after the changes; O(entries · changes).

    `changes`: (path, new entry), the entry `b""` to take the row away; `depth`: T.
    """
    path, entry = changes[0]
    alone = len(changes) == 1 and (not record or record[HEAD_BYTES : HEAD_BYTES + 32] == path)
    if alone and len(record) <= HEAD_BYTES + ENTRY_BYTES:  # half of all: no list needed
        return entry and entry[LEAF_AT:] + b"\x01" + entry
    return pack(_merge(record, changes), depth)


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
    if len(entries) <= 1:
        return entries[0][LEAF_AT:] if entries else EMPTY
    first = int.from_bytes(entries[0][:32], "big")
    below = (first ^ int.from_bytes(entries[-1][:32], "big")).bit_length()
    # Above the last `below` bits all paths agree; at the first of those bits the subtree forks.
    if len(entries) == NODE:  # two: most buckets, so this one case is written out
        digest = sha256(NODE_TAG + entries[0][LEAF_AT:] + entries[1][LEAF_AT:]).digest()
    else:
        fork = PATH_BITS - below
        left, right = split(entries, fork)
        digest = sha256(NODE_TAG + fold(left, fork + 1) + fold(right, fork + 1)).digest()
    for bit in range(below, PATH_BITS - depth):
        pair = EMPTY + digest if first >> bit & 1 else digest + EMPTY
        digest = sha256(NODE_TAG + pair).digest()
    return digest


def split(entries: Sequence[bytes], depth: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The entries whose path has bit `depth` (0 the first) clear, and those that have it set."""
    byte, mask = depth >> 3, 0x80 >> (depth & 7)
    at = 0
    for entry in entries:
        if entry[byte] & mask:
            break
        at += 1
    return entries[:at], entries[at:]


def _merge(record: bytes, changes: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """The bucket's entries after the changes, sorted by path."""
    entries = entries_of(record)
    for path, entry in changes:
        for at, old in enumerate(entries):
            if old.startswith(path):
                entries[at : at + 1] = [entry] if entry else []
                break
        else:
            if entry:
                entries.append(entry)
    entries.sort()
    return entries
