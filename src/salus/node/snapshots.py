"""
State snapshots: all rows of one height as files that are equal, byte for byte, at every member.

Format 1 (`ledger.md` §5.8): rows by path, u8 length ‖ state key ‖ u32 length ‖ value each, cut
after the row that makes a chunk 8 MiB or more; beside them the metadata with each chunk's SHA-256.
A member makes one every so many blocks and keeps the newest two.

What the metadata's app hash covers, a restore checks; height and time it does not cover, so whoever
restores takes them from members it trusts (`archive.py`).
"""

import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import sha256
from salus.base.limits import ROW_BYTES_MAX, STATE_KEY_BYTES_MAX
from salus.base.merkle import Frontier
from salus.base.types import Count, Hash32, Height, TimeMs
from salus.machine.block import app_hash
from salus.node.ledger import Ledger, StateCopy, Tip
from salus.node.small_file import write_whole
from salus.state.proof import path_of

log = structlog.get_logger()

CHUNK_BYTES = 8 * 1024 * 1024
"""A chunk ends with the row that reaches this."""

CHUNK_BYTES_MAX = CHUNK_BYTES + 5 + STATE_KEY_BYTES_MAX + ROW_BYTES_MAX
META_BYTES_MAX = 4 * 1024 * 1024
"""What is read of a snapshot that a stranger offers (`security.md` §8)."""

EVERY_BLOCKS = 10_000
KEPT = 2

META = "meta"
PART = ".part"
"""Ends the name of a folder that is not whole yet."""


class Meta(Struct, frozen=True):
    """What a snapshot is of."""

    chunks: list[Hash32]
    """SHA-256 of each chunk, in order."""

    frontier: list[Hash32]
    """The log's complete subtrees at that height, largest first (RFC 6962)."""

    height: Height
    log_size: Count
    state: Hash32
    time_ms: TimeMs

    @property
    def log(self) -> Frontier:
        """The log's right edge; raises Problem SnapshotMalformed for a wrong number of hashes."""
        if len(self.frontier) != self.log_size.bit_count():
            raise malformed("one frontier hash for each bit of the log's size")
        return Frontier(self.log_size, self.frontier)

    @property
    def app_hash(self) -> bytes:
        """The app hash of exactly this log and state; 32 B."""
        return app_hash(self.log_size, self.log.root, self.state)


class Snapshots:
    """One member's; made in a thread of their own from the constructor to `close`."""

    def __init__(self, folder: Path, ledger: Ledger, every_blocks: int = EVERY_BLOCKS) -> None:
        """`folder`: holds a folder a snapshot, named by height; made if new."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._every_blocks = every_blocks
        self._ledger = ledger
        self._due: queue.SimpleQueue[StateCopy | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()
        ledger.after_each_block(self._look)

    def heights(self) -> list[int]:
        """Heights of the whole snapshots here, newest first."""
        names = (path.name for path in self._folder.iterdir() if path.name.isdigit())
        return sorted(map(int, names), reverse=True)

    def meta(self, height: int) -> bytes:
        """The metadata's bytes; raises Problem SnapshotUnknown."""
        return self._read(height, META)

    def chunk(self, height: int, index: int) -> bytes:
        """A chunk's bytes; raises Problem SnapshotUnknown."""
        return self._read(height, chunk_name(index))

    def close(self) -> None:
        """Finish the snapshot in work, make no other."""
        self._ledger.after_each_block(_nothing)
        self._due.put(None)
        self._thread.join()

    def _look(self, tip: Tip) -> None:
        """In the thread that commits: fix the rows of a due height; writing them comes later."""
        if tip.height % self._every_blocks == 0:
            self._due.put(self._ledger.copy_state())

    def _run(self) -> None:
        while (copy := self._due.get()) is not None:
            try:
                write_snapshot(self._folder, copy)
                self._forget_old()
            except Exception as error:  # noqa: BLE001 (a full disk must not end all later ones)
                log.error("snapshot.failed", height=copy.tip.height, reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)

    def _forget_old(self) -> None:
        for height in self.heights()[KEPT:]:
            shutil.rmtree(self._folder / snapshot_name(height))

    def _read(self, height: int, name: str) -> bytes:
        try:
            return (self._folder / snapshot_name(height) / name).read_bytes()
        except OSError:
            raise Problem(
                Category.NOT_FOUND,
                "SnapshotUnknown",
                f"no such part of a snapshot of block {height} here; ask for the list anew",
            ) from None


def write_snapshot(folder: Path, copy: StateCopy) -> Path:
    """Write a snapshot into its folder under `folder`: whole under its name, or not there."""
    target = folder / snapshot_name(copy.tip.height)
    making = target.with_name(target.name + PART)
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    hashes: list[bytes] = []
    for data in _cut(copy.rows):
        write_whole(making / chunk_name(len(hashes)), data)
        hashes.append(sha256(data))
    meta = Meta(
        chunks=hashes,
        frontier=copy.frontier.hashes,
        height=copy.tip.height,
        log_size=copy.tip.log_size,
        state=copy.tip.state_root,
        time_ms=copy.tip.time_ms,
    )
    write_whole(making / META, codec.encode(meta))
    shutil.rmtree(target, ignore_errors=True)
    making.rename(target)
    log.info("snapshot.made", height=meta.height, count=len(hashes))
    return target


def read_meta(data: bytes) -> Meta:
    """Decode metadata; raises Problem SnapshotMalformed."""
    if len(data) > META_BYTES_MAX:
        raise malformed(f"metadata of at most {META_BYTES_MAX} bytes")
    try:
        meta = codec.decode(data, Meta)
    except codec.Malformed as error:
        raise malformed(f"its metadata ({error})") from None
    if not meta.chunks or not meta.height:
        raise malformed("at least one chunk and one block")
    _ = meta.log
    return meta


def read_rows(chunk: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """
    State key and value of a chunk's rows; raises Problem SnapshotMalformed.

    `after`: path (32 B) of the row before, above which all paths must rise: no row comes twice.
    """
    at = 0
    while at < len(chunk):
        key, at = _field(chunk, at, 1, STATE_KEY_BYTES_MAX)
        value, at = _field(chunk, at, 4, ROW_BYTES_MAX)
        path = path_of(key)
        if path <= after:
            raise malformed("rows whose paths rise")
        after = path
        yield key, value


def read_snapshot(folder: Path, meta: Meta) -> Iterator[tuple[bytes, bytes]]:
    """All rows of a snapshot on disk, each chunk held to its hash; raises SnapshotMalformed."""
    after = b""
    for index, expected in enumerate(meta.chunks):
        path = folder / chunk_name(index)
        data = path.read_bytes() if path.exists() else b""
        if sha256(data) != expected:
            raise malformed(f"chunk {index} as its metadata names it")
        for key, value in read_rows(data, after):
            yield key, value
            after = path_of(key)


def snapshot_name(height: int) -> str:
    """A snapshot's folder: 16 digits, so that names sort."""
    return f"{height:016d}"


def chunk_name(index: int) -> str:
    """A chunk's file."""
    return f"{index:06d}.chunk"


def malformed(expected: str) -> Problem:
    """A snapshot that is none."""
    return Problem(
        Category.UNVERIFIED, "SnapshotMalformed", f"not a sound snapshot: expected {expected}"
    )


def _cut(rows: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    chunk = bytearray()
    for key, value in rows:
        chunk += len(key).to_bytes(1, "big") + key + len(value).to_bytes(4, "big") + value
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def _field(chunk: bytes, at: int, width: int, bytes_max: int) -> tuple[bytes, int]:
    start = at + width
    size = int.from_bytes(chunk[at:start], "big")
    end = start + size
    if start > len(chunk) or size > bytes_max or end > len(chunk):
        raise malformed("rows of the documented form")
    return chunk[start:end], end


def _nothing(_tip: Tip) -> None:
    """No more snapshots."""
