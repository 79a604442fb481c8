"""
Days, the tree of seeds over them, and the few seeds that open a window (`patient-control.md` §3.3).

- A day number counts from 1900-01-01, 0–65,535; node (L, i) covers days i·2^L … (i+1)·2^L − 1.
- A generation's root is node (16, 0); a node's seed gives its children's, never its parent's.
- Slots are nodes of level 0 (a day) and level 8 (a block of 256 days): only they receive locks.
- A window takes the greedy set of whole nodes. Of a block it touches only in part it adds the
  *slot* seed: inside such a block the limit of days is policy, not mathematics.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from salus.base.errors import Category, Problem
from salus.base.hashing import u8
from salus.base.sealing import derive

DAY_MAX = 65_535
"""2079-06-06, the last day a u16 can name."""

ROOT_LEVEL = 16
BLOCK_LEVEL = 8
SEED_BYTES = 32

_EPOCH = dt.date(1900, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A node of the day tree; as a *slot* its level is 0 or 8."""

    level: int
    """0 (a day) to 16 (all days)."""

    index: int
    """Place among the nodes of its level, from day 0 on."""

    def covers(self, other: "Node") -> bool:
        """Whether all days of `other` are days of this node."""
        rise = self.level - other.level
        return rise >= 0 and other.index >> rise == self.index


class Cover(NamedTuple):
    """What opens a window of days."""

    nodes: tuple[Node, ...]
    """Whole nodes, by day; at most 30."""

    blocks: tuple[int, ...]
    """Indexes of blocks touched in part, ascending; at most 2."""


class WindowSeeds(NamedTuple):
    """The seeds that open one generation of one tag over a window; the order is the cover's."""

    first_day: int
    last_day: int
    """Both inclusive."""

    nodes: bytes
    """Seeds of the cover's nodes; 32 B each."""

    blocks: bytes
    """Slot secrets of the cover's blocks; 32 B each."""


def day_of(date: dt.date) -> int:
    """
    Day number of a date; 0 for any before 1900-01-02.

    Raises Problem DayTooLate: after 2079-06-06.
    """
    day = max((date - _EPOCH).days, 0)
    if day > DAY_MAX:
        raise Problem(Category.INVALID, "DayTooLate", "expected a date up to 2079-06-06")
    return day


def date_of(day: int) -> dt.date:
    """Date of a day number."""
    return _EPOCH + dt.timedelta(days=day)


def day_slot(day: int) -> Node:
    """The slot of one day."""
    return Node(0, day)


def block_slot(day: int) -> Node:
    """The slot of the block in which a day lies; also that of a date known only in part."""
    return Node(BLOCK_LEVEL, day >> BLOCK_LEVEL)


def in_window(slot: Node, first_day: int, last_day: int) -> bool:
    """Whether slot and window (inclusive) share a day (correction 24)."""
    first = slot.index << slot.level
    return first <= last_day and first_day < first + (1 << slot.level)


def child(seed: bytes, bit: int) -> bytes:
    """Seed of the earlier (0) or later (1) half of a node."""
    return derive(seed, "node", u8(bit))


def descend(seed: bytes, top: Node, target: Node) -> bytes:
    """Seed of `target` from that of `top`, which covers it; one derivation a level."""
    for rise in reversed(range(top.level - target.level)):
        seed = child(seed, target.index >> rise & 1)
    return seed


def descendants(seed: bytes, levels: int) -> list[bytes]:
    """Seeds of all nodes `levels` below a node, by day; 2^levels of them."""
    row = [seed]
    for _ in range(levels):
        row = [child(parent, bit) for parent in row for bit in (0, 1)]
    return row


def slot_secret(node_seed: bytes) -> bytes:
    """Private X25519 key of a slot from its node's seed; 32 B."""
    return derive(node_seed, "slot")


@lru_cache(maxsize=4_096)
def cover(first_day: int, last_day: int) -> Cover:
    """
    The nodes and blocks that open exactly the days of a window, both ends inclusive.

    Raises Problem WindowWrong: days outside 0–65,535, or in the wrong order.
    """
    if not 0 <= first_day <= last_day <= DAY_MAX:
        raise Problem(Category.INVALID, "WindowWrong", "expected 0 <= first day <= last day")
    ends = (block_slot(first_day), block_slot(last_day))
    nodes = tuple(_whole_nodes(first_day, last_day))
    touched = {block.index for block in ends if not any(node.covers(block) for node in nodes)}
    return Cover(nodes, tuple(sorted(touched)))


def window_seeds(generation_root: bytes, first_day: int, last_day: int) -> WindowSeeds:
    """What the holder of a generation hands over for a window; raises as `cover`."""
    top = Node(ROOT_LEVEL, 0)
    nodes, blocks = cover(first_day, last_day)
    slots = (descend(generation_root, top, Node(BLOCK_LEVEL, block)) for block in blocks)
    return WindowSeeds(
        first_day,
        last_day,
        b"".join(descend(generation_root, top, node) for node in nodes),
        b"".join(slot_secret(seed) for seed in slots),
    )


def check_seeds(seeds: WindowSeeds) -> None:
    """
    Check that seeds received have their window's number.

    Raises Problem WindowWrong as `cover`, SeedsWrong: another number of bytes than the cover's.
    """
    nodes, blocks = cover(seeds.first_day, seeds.last_day)
    expected = (len(nodes) * SEED_BYTES, len(blocks) * SEED_BYTES)
    if (len(seeds.nodes), len(seeds.blocks)) != expected:
        raise Problem(
            Category.MALFORMED,
            "SeedsWrong",
            f"expected {len(nodes)} node seeds and {len(blocks)} block seeds for this window",
        )


class SlotSecrets:
    """
    The slots that a window's seeds open; each node below the seeds is derived once.

    Days that follow one another share most of their way down: two derivations a day, not ten.
    """

    def __init__(self, seeds: WindowSeeds) -> None:
        """`seeds`: as `check_seeds` found them sound."""
        nodes, blocks = cover(seeds.first_day, seeds.last_day)
        self._known = {_number(node): _seed(seeds.nodes, place) for place, node in enumerate(nodes)}
        self._blocks = {block: _seed(seeds.blocks, place) for place, block in enumerate(blocks)}

    def secret(self, slot: Node) -> bytes:
        """
        Private key of a slot; 32 B. At most 17 derivations.

        Raises Problem SlotNotCovered.
        """
        seed = self._descend(_number(slot))
        if seed is not None:
            return slot_secret(seed)
        if slot.level == BLOCK_LEVEL and slot.index in self._blocks:
            return self._blocks[slot.index]
        raise Problem(
            Category.FORBIDDEN,
            "SlotNotCovered",
            "the seeds do not open this day; ask for more days",
        )

    def _descend(self, number: int) -> bytes | None:
        """Seed of a node, from the nearest known one above it; None if there is none."""
        known, top = self._known, number
        while top and top not in known:
            top >>= 1
        if not top:
            return None
        for rise in reversed(range(number.bit_length() - top.bit_length())):
            node = number >> rise
            known[node] = child(known[node >> 1], node & 1)
        return known[number]


def _whole_nodes(first_day: int, last_day: int) -> Iterator[Node]:
    """Take, from the first day on, the largest node that starts there and ends in the window."""
    day = first_day
    while day <= last_day:
        level = ROOT_LEVEL
        while day & ((1 << level) - 1) or day + (1 << level) - 1 > last_day:
            level -= 1
        yield Node(level, day >> level)
        day += 1 << level


def _number(node: Node) -> int:
    """Number the tree as a heap: the root is 1, n has the children 2n, 2n + 1; 0 outside it."""
    width = 1 << (ROOT_LEVEL - node.level)
    return width + node.index if node.index < width else 0


def _seed(seeds: bytes, place: int) -> bytes:
    return seeds[place * SEED_BYTES : (place + 1) * SEED_BYTES]
