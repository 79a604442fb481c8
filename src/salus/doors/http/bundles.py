"""
The log's hashes and entries by place.

Hashes are read from the log's own files, whose levels are laid out as tiles; entries are rebuilt
from the blocks that hold them.
"""

from bisect import bisect_right
from functools import lru_cache

from salus.base.errors import Category, Problem
from salus.node.node import Node

TILE_WIDTH = 256
"""Hashes or entries in a full tile (C2SP tlog-tiles)."""

HASH_BYTES = 32

BLOCKS_KEPT = 64
"""Blocks whose entries are remembered, since neighbouring bundles share them."""


class Bundles:
    """One member's log, for reading by place."""

    def __init__(self, node: Node) -> None:
        """`node`: the member's."""
        self._ledger = node.ledger
        self._folder = node.settings.folder / "log"
        self._block = lru_cache(BLOCKS_KEPT)(self._ledger.entries)

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Hashes of complete subtrees of 2^level entries; raises Problem TileUnknown."""
        if first + count > self._ledger.tip.log_size >> level:
            raise tile_unknown()
        with (self._folder / f"{level:02d}.hash").open("rb") as file:
            file.seek(HASH_BYTES * first)
            return file.read(HASH_BYTES * count)

    def entries(self, first: int, count: int) -> bytes:
        """Entries, each as u16 length ‖ bytes; raises Problem TileUnknown."""
        if first + count > self._ledger.tip.log_size:
            raise tile_unknown()
        found: list[bytes] = []
        height = self._height_of(first)
        skip = first - (self._size_after(height - 1) if height else 0)
        while len(found) < skip + count:
            found += self._block(height)
            height += 1
        wanted = found[skip : skip + count]
        return b"".join(len(one).to_bytes(2, "big") + one for one in wanted)

    def _height_of(self, index: int) -> int:
        """Height of the block that holds the entry; O(log blocks) reads."""
        heights = range(self._ledger.tip.height + 1)
        return bisect_right(heights, index, key=self._size_after)

    def _size_after(self, height: int) -> int:
        return self._ledger.record(height).log_size if height else 1


def tile_unknown() -> Problem:
    """404: no such tile, or not yet."""
    return Problem(
        Category.NOT_FOUND,
        "TileUnknown",
        "no such tile in this log; ask for those below the checkpoint's size",
    )
