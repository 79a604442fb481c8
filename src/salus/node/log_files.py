"""
The log's hashes on disk: in file `<level>.hash`, subtree i of 2^level leaves stands at byte 32 · i.

RFC 6962's tree over the log's leaf hashes, complete subtrees only, so that any root, path or
consistency proof of any size takes O(log n) reads, and levels 0, 8, 16 … cut into pieces are the
C2SP tiles. Everything here is rebuilt from the journal: writes are not synced one by one. `synced`
tells how much was, and its root; a start trusts that much, and the caller appends the rest again.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Self
from zlib import crc32

from salus.base.errors import Fault, invariant
from salus.base.hashing import u64
from salus.base.merkle import (
    EMPTY_ROOT,
    Frontier,
    PathRefused,
    check_consistency,
    node_hash,
    root_from_path,
)
from salus.node.ports import REAL_DISK, Disk, StrictDisk, end_process

HASH_BYTES = 32
SYNCED = "synced"
NEW = ".new"

_NOTE_BYTES = 44


class LogFiles:
    """The log's tree; one thread appends, any thread reads."""

    size: int
    """Number of leaves."""

    synced_size: int
    """Number of leaves that survive a crash."""

    def __init__(self, folder: Path, disk: StrictDisk) -> None:
        """Know the folder; `open` makes files one can use."""
        self.size = 0
        self.synced_size = 0
        self._folder = folder
        self._disk = disk
        self._files: list[int] = []

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk = REAL_DISK,
        die: Callable[[str], NoReturn] = end_process,
    ) -> Self:
        """
        Open the files, cut to what was synced; empty if that is nothing, or not to be trusted.

        Trusted is a note whose CRC fits and whose root the files still lead to.
        """
        strict = StrictDisk(disk, die)
        strict.make_folder(folder)
        log = cls(folder, strict)
        names = disk.names(folder)
        while _level_name(len(log._files)) in names:
            path = folder / _level_name(len(log._files))
            log._files.append(disk.open(path, write=True))
        log.size = log.synced_size = log._trusted_size() if SYNCED in names else 0
        return log

    def append(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add leaves by their hashes (32 B each); O(leaves), a write a level, no sync."""
        start, hashes, level = self.size, list(leaf_hashes), 0
        while hashes:
            self._write(level, start, hashes)
            if start % 2:
                hashes.insert(0, self._stored(level, start - 1))
            hashes = [node_hash(*hashes[i : i + 2]) for i in range(0, len(hashes) - 1, 2)]
            start, level = start // 2, level + 1
        self.size += len(leaf_hashes)

    def begin_with(self, frontier: Frontier) -> None:
        """
        Start an empty log at the right edge of another copy's.

        All sizes from there on have their root; paths and proofs that lead left of it do not exist.
        """
        invariant(self.size == 0, "the log is not empty")
        size, hashes = frontier.size, iter(frontier.hashes)
        for level in range(size.bit_length()):
            self._write(level, 0, [])
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                self._write(level, (size >> level) - 1, [next(hashes)])
        self.size = size

    def truncate(self, size: int) -> None:
        """Forget the leaves from `size` on."""
        invariant(0 <= size <= self.size, f"the log has {self.size} leaves, not {size}")
        self.size = size
        if size < self.synced_size:
            # Before other leaves are written over those the note still vouches for.
            self._note_synced(size)

    def sync(self) -> None:
        """Make all leaves so far durable, then note how many they are."""
        size = self.size
        for file in self._files:
            self._disk.fdatasync(file)
        self._note_synced(size)

    def close(self) -> None:
        """Close the files; syncs nothing."""
        for file in self._files:
            self._disk.plain.close(file)
        self._files = []

    def leaf(self, index: int) -> bytes:
        """Hash of the leaf at `index`; 32 B."""
        invariant(0 <= index < self.size, f"the log has {self.size} leaves, none at {index}")
        return self._stored(0, index)

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves; O(log size) reads."""
        self._check_size(size)
        if size == 0:
            return EMPTY_ROOT
        return self._node((size - 1).bit_length(), 0, size)

    def frontier(self) -> Frontier:
        """The right edge, for whoever goes on adding leaves."""
        size = self.size
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        return Frontier(size, [self._stored(level, (size >> level) - 1) for level in levels])

    def path(self, index: int, size: int) -> list[bytes]:
        """
        Inclusion path of leaf `index` among the first `size`, deepest sibling first (RFC 6962).

        The path is tried before it is given out: raises Fault if the files contradict themselves.
        Whoever holds the signed root of that size compares it with `root(size)`.
        """
        self._check_size(size)
        invariant(0 <= index < size, f"index {index} is outside a tree of {size}")
        path = list(self._siblings(0, index, size))
        if root_from_path(self._stored(0, index), index, size, path) != self.root(size):
            raise _damaged()
        return path

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """
        Proof that the tree of `new_size` extends that of `old_size` (RFC 6962 §2.1.2).

        Empty for equal sizes and for an old size of 0. Tried before it is given out: raises Fault.
        """
        self._check_size(new_size)
        invariant(0 <= old_size <= new_size, f"sizes {old_size} and {new_size} are out of order")
        if old_size in (0, new_size):
            return []
        # The last complete subtree of the old tree is a node of the new one: climb from there.
        level = (old_size & -old_size).bit_length() - 1
        index = (old_size >> level) - 1
        proof = list(self._siblings(level, index, new_size))
        if index:
            proof.insert(0, self._stored(level, index))
        old_root, new_root = self.root(old_size), self.root(new_size)
        try:
            check_consistency(old_size, new_size, old_root, new_root, proof)
        except PathRefused:
            raise _damaged() from None
        return proof

    def _siblings(self, level: int, index: int, size: int) -> Iterator[bytes]:
        """The siblings met from a node up to the root of the tree of `size`."""
        while 1 << level < size:
            if (index ^ 1) << level < size:
                yield self._node(level, index ^ 1, size)
            level, index = level + 1, index >> 1

    def _node(self, level: int, index: int, size: int) -> bytes:
        """Hash of that subtree in the tree of `size`; it may be incomplete, but not empty."""
        if (index + 1) << level <= size:
            return self._stored(level, index)
        left = self._node(level - 1, 2 * index, size)
        if (2 * index + 1) << (level - 1) >= size:
            return left
        return node_hash(left, self._node(level - 1, 2 * index + 1, size))

    def _stored(self, level: int, index: int) -> bytes:
        data = b""
        if level < len(self._files):
            data = self._disk.plain.pread(self._files[level], HASH_BYTES, HASH_BYTES * index)
        if len(data) != HASH_BYTES:
            raise _damaged()
        return data

    def _write(self, level: int, index: int, hashes: list[bytes]) -> None:
        if level == len(self._files):
            path = self._folder / _level_name(level)
            self._files.append(self._disk.plain.open(path, create=True))
        self._disk.pwrite(self._files[level], b"".join(hashes), HASH_BYTES * index)

    def _note_synced(self, size: int) -> None:
        body = u64(size) + self.root(size)
        path = self._folder / (SYNCED + NEW)
        file = self._disk.plain.open(path, create=True)
        try:
            self._disk.pwrite(file, body + crc32(body).to_bytes(4, "big"), 0)
            self._disk.fdatasync(file)
        finally:
            self._disk.plain.close(file)
        # The rename also syncs the folder, and with it the names of new level files.
        self._disk.rename(path, self._folder / SYNCED)
        self.synced_size = size

    def _trusted_size(self) -> int:
        file = self._disk.plain.open(self._folder / SYNCED)
        try:
            data = self._disk.plain.pread(file, _NOTE_BYTES + 1, 0)
        finally:
            self._disk.plain.close(file)
        body = data[: _NOTE_BYTES - 4]
        if len(data) != _NOTE_BYTES or crc32(body) != int.from_bytes(data[-4:], "big"):
            return 0
        self.size = int.from_bytes(body[:8], "big")
        try:
            return self.size if self.root(self.size) == body[8:] else 0
        except Fault:
            return 0

    def _check_size(self, size: int) -> None:
        invariant(0 <= size <= self.size, f"the log has {self.size} leaves, not {size}")


def _level_name(level: int) -> str:
    return f"{level:02d}.hash"


def _damaged() -> Fault:
    return Fault(
        "log files damaged: stop the node and remove its folder `log`; the start fills it again"
        " from the journal"
    )
