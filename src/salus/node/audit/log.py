"""
The log: its roots as blocks and notes state them, and its files, every level hashed anew.

The files are filled up to the tip but trusted only to their synced size: what lies beyond is
written again by every start, so a difference there is counted and is none of the audit's findings.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from salus.base.merkle import EMPTY_ROOT, Frontier
from salus.machine.block import app_hash
from salus.node.audit.blocks import BlockFound
from salus.node.audit.report import Finding, Report
from salus.node.log_files import HASH_BYTES, SYNCED

_SYNCED_BYTES = 40


class LogChecker:
    """Grows the log block by block and compares it with every record."""

    def __init__(self, wanted_sizes: Iterable[int], genesis_leaf: bytes, report: Report) -> None:
        """`wanted_sizes`: whose roots notes state; they are in `roots` afterwards."""
        self.roots: dict[int, bytes] = {}
        self.leaves = bytearray()
        self._frontier = Frontier()
        self._wanted = frozenset(wanted_sizes)
        self._report = report
        self._add([genesis_leaf])

    @property
    def size(self) -> int:
        """Entries so far."""
        return self._frontier.size

    def add(self, block: BlockFound, leaves: list[bytes]) -> bool:
        """Add a block's leaves; False if its record states another log, told as a finding."""
        self._add(leaves)
        root = self._frontier.root
        app = app_hash(self.size, root, block.state)
        if self.size != block.log_size:
            self._differ(block.height, f"log size {block.log_size}", str(self.size))
        elif root != block.log_root:
            self._differ(block.height, f"log root {block.log_root.hex()}", root.hex())
        elif app != block.app:
            self._differ(block.height, f"app hash {block.app.hex()}", app.hex())
        else:
            return True
        return False

    def _add(self, leaves: list[bytes]) -> None:
        for leaf in leaves:
            self._frontier.append(leaf)
        self.leaves += b"".join(leaves)
        if self.size in self._wanted:
            self.roots[self.size] = self._frontier.root

    def _differ(self, height: int, expected: str, found: str) -> None:
        self._report.add(Finding("blocks", "log", expected, found, height))


def check_log_files(folder: Path, leaves: bytes, report: Report, area: str = "log") -> None:
    """Compare every level's file with the leaves (32 B each) hashed up to it; O(leaves)."""
    place = "log" if area == "log" else f"{area}/{folder.name}"
    size = len(leaves) // HASH_BYTES
    synced = _read_synced(folder / SYNCED)
    if synced is None:
        report.add(Finding(area, f"{place}/{SYNCED}", "a note whose CRC fits", "none"))
        return
    synced_size, synced_root = synced
    if synced_size > size:
        report.add(Finding(area, f"{place}/{SYNCED}", f"at most {size} leaves", f"{synced_size}"))
        return
    edge: list[bytes] = []
    level, hashes, sound = 0, leaves, synced_size
    while hashes:
        name = f"{level:02d}.hash"
        at = _first_difference(folder / name, hashes)
        if at is not None and at < sound:
            expected = f"hash {hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES].hex()}"
            report.add(Finding(area, f"{place}/{name}", expected, "another", None, at))
        elif at is not None:
            report.counts[f"{area}.levels_behind"] += 1
        report.counts[f"{area}.hashes"] += len(hashes) // HASH_BYTES
        if sound & 1:
            edge.insert(0, hashes[(sound - 1) * HASH_BYTES : sound * HASH_BYTES])
        level, hashes, sound = level + 1, parents(hashes), sound // 2
    if synced_root != Frontier(synced_size, edge).root:
        report.add(
            Finding(area, f"{place}/{SYNCED}", f"the root of {synced_size} leaves", "another")
        )
    report.counts[f"{area}.synced"] = synced_size


def _read_synced(path: Path) -> tuple[int, bytes] | None:
    """
    Size and root that the files vouch for: u64 ‖ root 32 ‖ CRC-32; None if it does not fit.

    Without a note they vouch for nothing, and a start fills them anew: a node killed before its
    first sync, or one whose note was lost.
    """
    if not path.exists():
        return 0, EMPTY_ROOT
    data = path.read_bytes()
    body = data[:_SYNCED_BYTES]
    if len(data) != _SYNCED_BYTES + 4 or crc32(body) != int.from_bytes(data[-4:], "big"):
        return None
    return int.from_bytes(body[:8], "big"), body[8:]


def parents(hashes: bytes) -> bytes:
    """The hashes of the complete subtrees one level up."""
    pairs = range(0, len(hashes) - 2 * HASH_BYTES + 1, 2 * HASH_BYTES)
    return b"".join(sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs)


def _first_difference(path: Path, hashes: bytes) -> int | None:
    """Number of the first hash that the file does not have; None if it has all."""
    stored = path.read_bytes() if path.exists() else b""
    if stored[: len(hashes)] == hashes:
        return None
    return next(
        at // HASH_BYTES
        for at in range(0, len(hashes), HASH_BYTES)
        if stored[at : at + HASH_BYTES] != hashes[at : at + HASH_BYTES]
    )
