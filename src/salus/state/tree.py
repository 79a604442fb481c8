"""
The state tree: changed rows to a new root, and the proof of a row, at the tip or some blocks ago.

One batch a block (`ledger.md` §5.2): hash the rows, group them by bucket, merge and refold each
bucket, climb the heap. Nothing here changes anything: `stage` answers with all that would change.
A native kernel can take the place of `stage`: bytes in, bytes out.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from salus.state import bucket
from salus.state.bucket import ENTRY_BYTES, HEAD_BYTES, NODE, NOTHING
from salus.state.heap import LEFT, RIGHT, Climb, Heap
from salus.state.proof import EMPTY, LEAF_TAG, PATH_BITS, PATH_TAG, VALUE_TAG, Kind, Proof

LEVELS_MIN, LEVELS_MAX = 12, 22
ROWS_PER_TWO_BUCKETS = 5
"""T = ⌈log2(rows / 2.5)⌉ within 12–22: storage only, no root depends on it."""

Row = tuple[bytes, bytes, bytes | None]
"""Path 32 B, state key, value; None takes the row away."""


@dataclasses.dataclass(frozen=True, slots=True)
class Staged:
    """A change worked out on a tip and not made yet."""

    tip_height: int
    """The height it was worked out on, which must still be the tip when it is pushed."""

    root: bytes
    """The state root it leads to; 32 B."""

    rows: list[Row]
    """The changed rows, by path."""

    values: Mapping[bytes, bytes | None]
    """The same as state key -> value."""

    records: dict[int, bytes]
    """Bucket number -> new record, ascending; `b""` for a bucket without rows left."""

    row_delta: int
    """How many rows more there will be."""

    climb: Climb
    """What changes above the buckets."""


class View(Protocol):
    """The tree as it stood at one height."""

    levels: int

    def slot(self, number: int) -> bytes:
        """The 65 B hashed for that node."""

    def kind(self, node: int) -> int:
        """What the subtree of that node is."""

    def record(self, number: int) -> bytes:
        """The bucket's record, `b""` without rows."""


def stage(
    heap: Heap,
    tip_height: int,
    changes: Mapping[bytes, bytes | None],
    records: Callable[[list[int]], Sequence[bytes]],
) -> Staged:
    """
    Work out what these changes do to the tree, without making them.

    `changes`: state key -> value, None takes a row away (also one that is not there); `records`:
    gives the records at the tip of the buckets with rows, by ascending number. O(changes · levels).
    """
    values = dict(changes)
    rows: list[Row] = [
        (sha256(PATH_TAG + state_key).digest(), state_key, value)
        for state_key, value in values.items()
    ]
    rows.sort()
    groups = _group(rows, 32 - heap.levels)
    numbers = list(groups)
    occupied = iter(records([number for number in numbers if heap.kinds[number]]))
    olds = [next(occupied) if heap.kinds[number] else b"" for number in numbers]
    news = [
        bucket.change(old, group, heap.levels)
        for old, group in zip(olds, groups.values(), strict=True)
    ]
    kinds = {
        number: kind
        for number, new in zip(numbers, news, strict=True)
        if (kind := new[32] if new else NOTHING) != heap.kinds[number]
    }
    byte_delta = sum(map(len, news)) - sum(map(len, olds))
    head_delta = (sum(map(bool, news)) - sum(map(bool, olds))) * HEAD_BYTES
    climb = heap.climb(numbers, [new[:32] or EMPTY for new in news], kinds)
    return Staged(
        tip_height=tip_height,
        root=climb.root,
        rows=rows,
        values=values,
        records=dict(zip(numbers, news, strict=True)),
        row_delta=(byte_delta - head_delta) // ENTRY_BYTES,
        climb=climb,
    )


def prove(view: View, path: bytes) -> Proof:
    """The proof that ends the path in that view, present or absent; O(levels)."""
    siblings = []
    bits = int.from_bytes(path, "big")
    node = 1
    for level in range(view.levels):
        if view.kind(node) != NODE:
            break
        slot = view.slot(node)
        bit = bits >> (PATH_BITS - 1 - level) & 1
        siblings.append(slot[LEFT] if bit else slot[RIGHT])
        node = 2 * node + bit
    if view.kind(node) == NOTHING:
        return Proof(Kind.EMPTY, siblings)
    entries: Sequence[bytes] = bucket.entries_of(view.record(_bucket_below(view, node)))
    depth = view.levels
    while len(entries) > 1:
        left, right = bucket.split(entries, depth)
        bit = bits >> (PATH_BITS - 1 - depth) & 1
        siblings.append(bucket.fold(left if bit else right, depth + 1))
        entries = right if bit else left
        depth += 1
    if not entries:
        return Proof(Kind.EMPTY, siblings)
    if entries[0][:32] == path:
        return Proof(Kind.PRESENT, siblings)
    return Proof(Kind.OTHER_LEAF, siblings, (entries[0][:32], entries[0][32:64]))


def levels_for(rows: int) -> int:
    """The T for that many rows."""
    buckets = -(-2 * rows // ROWS_PER_TWO_BUCKETS)
    return min(max((buckets - 1).bit_length(), LEVELS_MIN), LEVELS_MAX) if rows else LEVELS_MIN


def _group(rows: list[Row], shift: int) -> dict[int, list[tuple[bytes, bytes]]]:
    """Bucket number -> (path, new entry) of its rows, ascending."""
    groups: dict[int, list[tuple[bytes, bytes]]] = {}
    for path, _, value in rows:
        entry = b""
        if value is not None:
            body = path + sha256(VALUE_TAG + value).digest()
            entry = body + sha256(LEAF_TAG + body).digest()
        number = (1 << 32 | int.from_bytes(path[:4], "big")) >> shift
        if number in groups:
            groups[number].append((path, entry))
        else:
            groups[number] = [(path, entry)]
    return groups


def _bucket_below(view: View, node: int) -> int:
    """The one bucket with rows under a node that is a leaf, or is itself a bucket."""
    while node < 1 << view.levels:
        node = 2 * node if view.kind(2 * node) else 2 * node + 1
    return node
