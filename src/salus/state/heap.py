"""
The top T levels of the state tree in memory, as a heap: node n has the children 2n and 2n + 1.

Slot p holds what is hashed for node p: `11 ‖ hash of 2p ‖ hash of 2p + 1`, 65 B, so that a hash is
one slice away and no byte is moved. The buckets' roots are the children in the last 2^(T-1) slots.
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
LEFT = slice(1, 33)
RIGHT = slice(33, 65)


@dataclasses.dataclass(frozen=True, slots=True)
class LevelChange:
    """The slots of one level that change."""

    numbers: list[int]
    """Which slots; ascending."""

    new: list[bytes]
    old: list[bytes]
    """Their 65 B after and before."""


@dataclasses.dataclass(frozen=True, slots=True)
class Climb:
    """What a change of buckets does to the heap."""

    root: bytes
    """The tree's root afterwards; 32 B."""

    levels: list[LevelChange]
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

        `nodes`: the buckets' numbers, ascending; `digests`: their new roots; `kinds`: new kinds
        of those whose kind changes (taken over and grown). O(buckets · levels).
        """
        levels = []
        root = self.root
        while nodes and nodes != [1]:
            change, lone = self._lift(nodes, digests)
            digests = [sha256(slot).digest() for slot in change.new]
            nodes = change.numbers
            self._settle(nodes, change.new, digests, lone, kinds)
            levels.append(change)
        if nodes:
            root = digests[0]
        levels.reverse()
        return Climb(root, levels, kinds)

    def _lift(self, nodes: list[int], digests: list[bytes]) -> tuple[LevelChange, list[int]]:
        """The parents' slots with these children, and the positions of those with an empty half."""
        slots, kinds = self.slots, self.kinds
        parents: list[int] = []
        new: list[bytes] = []
        old: list[bytes] = []
        lone: list[int] = []
        last = 0
        for node, digest in zip(nodes, digests, strict=True):
            parent = node >> 1
            if parent == last:
                new[-1] = new[-1][:33] + digest
                if lone and lone[-1] == len(new) - 1 and digest != EMPTY:
                    pass
                continue
            last = parent
            at = parent * SLOT_BYTES
            slot = slots[at : at + SLOT_BYTES]
            parents.append(parent)
            old.append(slot)
            new.append(slot[:33] + digest if node & 1 else NODE_TAG + digest + slot[33:])
        return LevelChange(parents, new, old), lone
