"""
A witness's log of what it released: appended and synced before any share leaves.

The file is the truth. Beside it lie the RFC 6962 tree over its entries (`LogFiles`) and an index;
both are filled up from the file at the start. The ledger's anchors hold the log to what it was.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from salus.base import codec, merkle
from salus.base.errors import Fault
from salus.node.log_files import LogFiles
from salus.node.ports import REAL_DISK, Disk, StrictDisk, end_process
from salus.node.witness import log_record
from salus.node.witness.log_index import LogIndex, Placed
from salus.node.witness.log_record import FILE_HEAD_BYTES, FILE_MAGIC, HEAD_BYTES, Record, Torn
from salus.node.witness.messages import ReleaseEntry, day_of_time, session_of

FILE = "releases.log"

HASHES_SYNC_ENTRIES = 4_096
"""Entries between syncs of the tree's files: a start refills at most so many."""

TORN_BYTES_MAX = log_record.HEAD_BYTES + log_record.PAYLOAD_BYTES_MAX
"""What one interrupted append can leave behind."""


class ReleaseLog:
    """One writer at a time; any thread reads."""

    def __init__(
        self,
        folder: Path,
        *,
        disk: Disk = REAL_DISK,
        die: Callable[[str], NoReturn] = end_process,
    ) -> None:
        """
        Open or make the log, drop a torn last record, fill up tree and index.

        Raises Fault: release log damaged.
        """
        disk.make_folder(folder)
        self._disk = StrictDisk(disk, die)
        self._lock = threading.Lock()
        path = folder / FILE
        is_new = FILE not in disk.names(folder)
        self._file = disk.open(path, write=True, create=is_new)
        if disk.size(self._file) < FILE_HEAD_BYTES:
            self._start_file(folder)
        self._salt = self._read_head()
        self._hashes = LogFiles.open(folder / "tree", disk=disk, die=die)
        self.index = LogIndex(folder / "index.sqlite")
        self._end = self._catch_up()

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._hashes.size

    def root(self, size: int) -> bytes:
        """Root over the first `size` entries; 32 B."""
        return self._hashes.root(size)

    def path(self, number: int, size: int) -> list[bytes]:
        """Inclusion path of an entry among the first `size`."""
        return self._hashes.path(number, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the log of `new` entries extends that of `old`."""
        return self._hashes.consistency(old, new)

    def append(self, entries: Sequence[ReleaseEntry]) -> bool:
        """Log one call's entries, synced when this returns; False and nothing logged: disk full."""
        encoded = [codec.encode(entry) for entry in entries]
        record = log_record.pack(encoded, self._salt)
        with self._lock:
            if not self._disk.pwrite_if_room(self._file, record, self._end):
                self._drop_torn(self._disk.plain.size(self._file))
                return False
            self._disk.fdatasync(self._file)
            self._enter(log_record.read(record, self._end, self._salt))
            if self.size - self._hashes.synced_size >= HASHES_SYNC_ENTRIES:
                self._hashes.sync()
        return True

    def entry(self, number: int) -> bytes:
        """An entry's canonical bytes, compared with the tree; raises Fault."""
        offset, length = self.index.place(number)
        data = self._disk.plain.pread(self._file, length, offset)
        if merkle.leaf_hash(data) != self._hashes.leaf(number):
            raise log_record.damaged()
        return data

    def records(self) -> Iterator[Record]:
        """All records from the file's start, read anew; raises Fault."""
        at = FILE_HEAD_BYTES
        while at < self._end:
            record = self._read(at, self._end)
            yield record
            at = record.end

    def close(self) -> None:
        """Sync the tree and close."""
        self._hashes.sync()
        self._hashes.close()
        self.index.close()
        self._disk.plain.close(self._file)

    def _enter(self, record: Record) -> None:
        first = self._hashes.size
        self._hashes.append([merkle.leaf_hash(entry) for entry in record.entries])
        placed = [
            _placed(entry, offset)
            for entry, offset in zip(record.entries, record.offsets, strict=True)
        ]
        self.index.add(first, record.end, placed)
        self._end = record.end

    def _catch_up(self) -> int:
        """Enter what tree and index lack; gives the file's end."""
        size, end = self.index.end_within(self._hashes.size)
        self._hashes.truncate(size)
        file_end = self._disk.plain.size(self._file)
        if file_end < end:
            raise log_record.damaged()
        self._end = max(end, FILE_HEAD_BYTES)
        while self._end < file_end:
            try:
                record = self._read(self._end, file_end)
            except Torn:
                self._drop_torn(file_end)
                break
            self._enter(record)
        return self._end

    def _read(self, at: int, file_end: int) -> Record:
        """Read the record at an offset; raises Torn, Fault."""
        head = self._disk.plain.pread(self._file, HEAD_BYTES, at)
        payload_bytes = log_record.payload_bytes_of(head, self._salt)
        if payload_bytes is None:
            payload_bytes = log_record.PAYLOAD_BYTES_MAX
        record_bytes = min(HEAD_BYTES + payload_bytes, file_end - at)
        data = self._disk.plain.pread(self._file, record_bytes, at)
        return log_record.read(data, at, self._salt)

    def _drop_torn(self, file_end: int) -> None:
        """
        Write zeros over what an interrupted append left, so that no half of it is read again.

        Raises Fault if a whole record stands behind it: then it was not the last one.
        """
        rest = file_end - self._end
        if rest > TORN_BYTES_MAX:
            raise log_record.damaged()
        tail = self._disk.plain.pread(self._file, rest, self._end)
        if any(_is_record(tail[at:], self._salt) for at in _places_of(log_record.MAGIC, tail)):
            raise log_record.damaged()
        self._disk.pwrite(self._file, bytes(rest), self._end)
        self._disk.fdatasync(self._file)

    def _start_file(self, folder: Path) -> None:
        self._disk.pwrite(self._file, FILE_MAGIC + os.urandom(8), 0)
        self._disk.fdatasync(self._file)
        self._disk.plain.sync_folder(folder)

    def _read_head(self) -> bytes:
        head = self._disk.plain.pread(self._file, FILE_HEAD_BYTES, 0)
        if head[:8] != FILE_MAGIC:
            raise log_record.damaged()
        return head[8:]


def _places_of(word: bytes, data: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + 1)


def _is_record(data: bytes, salt: bytes) -> bool:
    try:
        log_record.read(data, 0, salt)
    except (Torn, Fault):
        return False
    return True


def _placed(entry: bytes, offset: int) -> Placed:
    line = codec.decode(entry, ReleaseEntry)
    return Placed(
        offset=offset,
        length=len(entry),
        tag=line.tag,
        grant=line.subject,
        day=day_of_time(line.intent_ms),
        session=session_of(line.member, line.sequence, line.index),
    )
