"""
The top T levels of the state tree in memory, as a heap: node n has the children 2n and 2n + 1.

Slot p holds what is hashed for node p: `11 ‖ hash of 2p ‖ hash of 2p + 1`, 65 B, so that a hash is
one slice away and no byte is moved. The buckets' roots are the children in the last 2^(T-1) slots.
Node 1 is the root, so slot 0 holds nothing that is hashed.
Beside it stands one byte a node: its kind. Memory: 67 · 2^T B, 281 MB at most.

A change is worked out beside the heap (`climb`) and put in later (`apply`), so that several
blocks can be tried on one tip; what it replaces is kept by the caller as the way back.
"""

import contextlib
import dataclasses
import mmap
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256

from salus.state.bucket import LEAF, NODE, NOTHING
from salus.state.proof import EMPTY, NODE_TAG

SLOT_BYTES = 65
LEFT, RIGHT = slice(1, 33), slice(33, 65)
"""Where a slot holds its children's hashes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """The slots of one level that a change replaces."""

    numbers: list[int]
    """Which slots; ascending."""

    new: list[bytes]
    """Their 65 B each afterwards."""

    old: list[bytes]
    """Their 65 B each before."""


@dataclasses.dataclass(frozen=True, slots=True)
class Climb:
    """What a change of buckets does to the heap."""

    root: bytes
    """The tree's root afterwards; 32 B."""

    levels: list[Level]
    """Root first, so that all slot numbers together ascend."""

    kinds: dict[int, int]
    """Node -> new kind, for the nodes whose kind changes."""


class Heap:
    """The hashes and kinds of the top levels; one writer at a time."""

    __slots__ = ("kinds", "levels", "root", "slots")

    def __init__(self, levels: int) -> None:
        """An empty tree whose buckets stand `levels` (1–22) below the root."""
        self.levels = levels
        self.slots = _huge_pages(SLOT_BYTES << levels)
        self.slots[::SLOT_BYTES] = NODE_TAG * (1 << levels)
        self.kinds = bytearray(2 << levels)
        self.root = EMPTY

    def climb(self, nodes: list[int], digests: list[bytes], kinds: dict[int, int]) -> Climb:
        """
        Hash level by level from changed buckets to the root, without changing the heap.

        `nodes`: the buckets' numbers, ascending; `digests`: their roots; `kinds`: the kinds of
        those whose kind changes, to which this adds the nodes above. O(buckets · levels).
        """
        levels = []
        emptied = [node for node, digest in zip(nodes, digests, strict=True) if digest == EMPTY]
        for _ in range(self.levels if nodes else 0):
            level, doubtful = self._lift(nodes, digests)
            nodes = level.numbers
            digests = [sha256(slot).digest() for slot in level.new]
            doubtful += [bisect_left(nodes, node >> 1) for node in emptied]
            emptied = self._settle(level, digests, doubtful, kinds)
            levels.append(level)
        levels.reverse()
        return Climb(digests[0] if nodes else self.root, levels, kinds)

    def apply(self, climb: Climb) -> None:
        """Put a climb's slots, kinds and root in place."""
        slots, kinds = self.slots, self.kinds
        for level in climb.levels:
            for number, slot in zip(level.numbers, level.new, strict=True):
                at = number * SLOT_BYTES
                slots[at : at + SLOT_BYTES] = slot
        for node, kind in climb.kinds.items():
            kinds[node] = kind
        self.root = climb.root

    def fill(self, buckets: Iterable[tuple[int, bytes, int]]) -> None:
        """Build an empty heap from its buckets as (number, root, kind); O(2^T)."""
        slots, kinds = self.slots, self.kinds
        for number, root, kind in buckets:
            at = _hash_at(number)
            slots[at : at + 32] = root
            kinds[number] = kind
        for node in range((1 << self.levels) - 1, 0, -1):
            left, right = kinds[2 * node], kinds[2 * node + 1]
            if left or right:
                at = node * SLOT_BYTES
                kinds[node], digest = _join(left, right, slots[at : at + SLOT_BYTES])
                at = _hash_at(node)
                slots[at : at + 32] = digest
        self.root = self.slot(0)[RIGHT]

    def slot(self, number: int) -> bytes:
        """The 65 B that are hashed for a node above the buckets."""
        return self.slots[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]

    def _lift(self, nodes: list[int], digests: list[bytes]) -> tuple[Level, list[int]]:
        """The parents' slots with these children; and positions whose sibling may be empty."""
        slots, kinds = self.slots, self.kinds
        parents: list[int] = []
        new: list[bytes] = []
        old: list[bytes] = []
        doubtful: list[int] = []
        last = 0
        for node, digest in zip(nodes, digests, strict=True):
            parent = node >> 1
            if parent == last:
                new[-1] = new[-1][:33] + digest
                continue
            last = parent
            at = parent * SLOT_BYTES
            slot = slots[at : at + SLOT_BYTES]
            if not kinds[node ^ 1]:
                doubtful.append(len(parents))
            parents.append(parent)
            old.append(slot)
            new.append(slot[:33] + digest if node & 1 else NODE_TAG + digest + slot[33:])
        return Level(parents, new, old), doubtful

    def _settle(
        self, level: Level, digests: list[bytes], doubtful: list[int], changed: dict[int, int]
    ) -> list[int]:
        """Note new kinds, correct the digests of parents that are no nodes; those without rows."""
        kinds = self.kinds
        for node in level.numbers:
            if kinds[node] != NODE:
                changed[node] = NODE
        emptied = []
        for position in doubtful:
            node = level.numbers[position]
            left = changed.get(2 * node, kinds[2 * node])
            right = changed.get(2 * node + 1, kinds[2 * node + 1])
            kind, digests[position] = _join(left, right, level.new[position])
            if kinds[node] == kind:
                changed.pop(node, None)
            else:
                changed[node] = kind
            if kind == NOTHING:
                emptied.append(node)
        return emptied


def _join(left: int, right: int, slot: bytes) -> tuple[int, bytes]:
    """Kind and hash of the subtree over two children, by their kinds."""
    if left + right > LEAF:
        return NODE, sha256(slot).digest()
    return left + right, slot[LEFT] if left else slot[RIGHT]


def _hash_at(node: int) -> int:
    """Where a node's hash lies: in its parent's slot, behind the tag, left or right."""
    return (node >> 1) * SLOT_BYTES + 1 + (node & 1) * 32


def _huge_pages(count: int) -> mmap.mmap:
    """That many zero bytes, in huge pages where the kernel gives them (half the time a node)."""
    memory = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):  # a system or kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
