"""
The journal: what was executed, in order, on this disk. All else a node keeps is rebuilt from it.

- `append` returns when the record is synced: one write, one sync. If either fails, the process
  ends at once (`ports.StrictDisk`).
- Heights rise strictly; they need not start at 1 and may skip.
- One thread appends; any thread reads.
- A start reads the newest segment only. It drops a last record that provably was never wholly
  written, and takes any other difference for damage (`ledger.md` §5.4, `corrections.md` 17).

The folder holds `<first height>.seg` files, `spare`, and `clean` while no node has it open. Its
one writer is whoever holds the lock of the state store beside it.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, Self

from salus.base.errors import invariant
from salus.base.hashing import ZERO32
from salus.node.journal_format import (
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    encode_record,
    encode_segment_header,
)
from salus.node.journal_mark import CLEAN, write_mark
from salus.node.journal_repair import inspect, repair
from salus.node.journal_segment import (
    SEGMENT_BYTES,
    Damage,
    Segment,
    check_blank_tail,
    check_link,
    checked_payload,
    first_height,
    payloads,
    read_bytes,
    read_segment,
    segment_name,
)
from salus.node.journal_spare import NEW, SLICE_BYTES, Spare
from salus.node.journal_start import judge_end
from salus.node.ports import REAL_DISK, Disk, StrictDisk, end_process
from salus.node.tracing import traces

__all__ = ["SEGMENT_BYTES", "Damage", "Journal", "inspect", "repair"]


class Journal:
    """The records of one network, by height."""

    tip_height: int
    """Height of the last record; 0 while there is none."""

    chain: bytes
    """Chain value after the last record; 32 B, zeros while there is none."""

    def __init__(self, folder: Path, network: bytes, segment_bytes: int, disk: StrictDisk) -> None:
        """Know the folder; `open` makes a journal one can use."""
        self.tip_height = 0
        self.chain = ZERO32
        self._folder = folder
        self._network = network
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._first_heights: list[int] = []
        self._segments: dict[int, Segment] = {}
        self._newest: Segment | None = None
        self._file = -1
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        network: bytes,
        *,
        must_hold: int = 0,
        disk: Disk = REAL_DISK,
        segment_bytes: int = SEGMENT_BYTES,
        die: Callable[[str], NoReturn] = end_process,
    ) -> Self:
        """
        Open the journal of a network (id of 32 B), or start one in an empty folder.

        `must_hold`: newest height that any stored note, cosignature or meta names; a journal that
        ends below it has lost what was acknowledged. `segment_bytes`: of a new journal's files; one
        that has records goes on with the length they state. `die`: see `ports.StrictDisk`.

        Raises Damage; Fault: it ends below `must_hold`; Problem FormatUnknown, GenesisDiffers: it
        is another version's or network's; StorageFull: no room for the first segment, or for the
        copy after an unclean end.
        """
        strict = StrictDisk(disk, die)
        strict.make_folder(folder)
        for name in disk.names(folder):
            if name.endswith(NEW):
                strict.remove(folder / name)
        journal = cls(folder, network, segment_bytes, strict)
        journal._recover(must_hold)
        return journal

    @traces.spanned("block.journal")
    def append(self, height: int, payload: bytes) -> None:
        """
        Add a record; it is durable when this returns.

        `height` is above the tip, `payload` at most 16 MiB. Raises Fault (the journal is closed, a
        bound is not kept) and Problem StorageFull (no room for a new segment): nothing changed.
        """
        invariant(not self._closed, "the journal is closed")
        invariant(height > self.tip_height, f"height {height} is not above {self.tip_height}")
        segment = self._newest or self._fresh_segment(height)
        record, chain = self._encode(height, payload, segment)
        if segment is self._newest and segment.end + len(record) > self._segment_bytes:
            segment = self._fresh_segment(height)
            record, chain = self._encode(height, payload, segment)
        invariant(
            segment.end + len(record) <= self._segment_bytes, "the record is longer than a segment"
        )
        if segment is not self._newest:
            self._spare.place(segment.name, encode_segment_header(segment.header))
            self._use(segment)
        self._disk.pwrite(self._file, record, segment.end)
        self._disk.fdatasync(self._file)
        segment.add(height, len(record), chain)
        self.tip_height, self.chain = height, chain
        # Twice what was used: the spare is whole before the segment is half full.
        self._spare.extend(max(SLICE_BYTES, 2 * len(record)))

    def read(self, height: int) -> bytes:
        """
        The payload of that height, its CRC and chain checked; raises KeyError, Damage.

        The first read from a segment checks all its records' CRCs; later ones cost two reads.
        """
        at = bisect_right(self._first_heights, height) - 1
        if at < 0:
            raise KeyError(height)
        segment = self._segment(at)
        index = segment.position(height)
        start = segment.offsets[index]
        later = index + 1 < len(segment.offsets)
        stop = segment.offsets[index + 1] if later else segment.end
        file = self._disk.plain.open(self._folder / segment.name)
        try:
            record = self._disk.plain.pread(file, stop - start, start)
            before = segment.header.chain_before
            if index:
                before = self._disk.plain.pread(file, 32, segment.offsets[index - 1] + 32)
        finally:
            self._disk.plain.close(file)
        return checked_payload(segment, memoryview(record), start, height, before)

    def records(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """
        Height and payload of each record above `after`, in order, CRC and chain checked.

        Raises Damage. Holds one segment in memory; records appended meanwhile are seen.
        """
        at = max(bisect_right(self._first_heights, after) - 1, 0)
        while at < len(self._first_heights):
            segment = self._segment(at)
            stop = len(segment.heights)
            data = read_bytes(self._disk.plain, self._folder / segment.name)
            yield from payloads(segment, data, bisect_right(segment.heights, after), stop)
            if stop == len(segment.heights):
                at += 1
            after = segment.heights[stop - 1] if stop else after

    @property
    def storage_full(self) -> bool:
        """Whether there is no room for the next segment's spare; then stop taking transactions."""
        return self._spare.full

    def prepare_spare(self) -> None:
        """Try to make the spare again; `storage_full` tells the outcome."""
        self._spare.extend(self._segment_bytes)

    def close(self) -> None:
        """Close, and mark the end as clean: a start then needs no copy and forgives no tear."""
        if self._closed:
            return
        self._closed = True
        if self._newest is not None:
            self._disk.plain.close(self._file)
        self._spare.close()
        if not self._disk.failed:
            write_mark(self._folder, self._disk, self.tip_height, self.chain)

    def _encode(self, height: int, payload: bytes, to: Segment) -> tuple[bytes, bytes]:
        return encode_record(height, payload, self.chain, to.header.salt, to.end)

    def _fresh_segment(self, height: int) -> Segment:
        header = SegmentHeader(
            self._network, height, self.chain, os.urandom(8), self._segment_bytes
        )
        return Segment(segment_name(height), header, chain=self.chain)

    def _use(self, segment: Segment) -> None:
        """Append to this segment from now on."""
        file = self._disk.plain.open(self._folder / segment.name, write=True)
        if self._newest is not None:
            self._disk.plain.close(self._file)
        self._file = file
        self._newest = segment
        self._segments[segment.header.first_height] = segment
        self._first_heights.append(segment.header.first_height)

    def _segment(self, at: int) -> Segment:
        """The segment at that place in the row of segments, read and linked to the next."""
        first = self._first_heights[at]
        segment = self._segments.get(first)
        if segment is None:
            name = segment_name(first)
            data = read_bytes(self._disk.plain, self._folder / name)
            segment = read_segment(name, data, self._network)
            check_blank_tail(segment, data)
            after = segment_name(self._first_heights[at + 1])
            check_link(segment, after, self._head(after), self._network)
            self._segments[first] = segment
        return segment

    def _head(self, name: str) -> bytes:
        file = self._disk.plain.open(self._folder / name)
        try:
            return self._disk.plain.pread(file, SEGMENT_HEADER_BYTES, 0)
        finally:
            self._disk.plain.close(file)

    def _recover(self, must_hold: int) -> None:
        """Judge the end, then make sure that what was read is what the disk holds."""
        disk = self._disk.plain
        end = judge_end(self._folder, self._network, must_hold, disk)
        self.tip_height, self.chain = end.height, end.chain
        if end.newest is not None:
            self._segment_bytes = end.newest.header.segment_bytes
        self._spare = Spare(self._folder, self._segment_bytes, self._disk)
        if end.empty is not None:
            self._disk.remove(self._folder / end.empty)
        if end.newest is None:
            self._spare.finish()
        else:
            if not end.clean:
                # A page that a failed sync left in memory passes for durable until written anew.
                self._spare.place(end.newest.name, end.sound)
            self._first_heights = [first_height(name) for name in end.names[:-1]]
            self._use(end.newest)
        if CLEAN in disk.names(self._folder):
            self._disk.remove(self._folder / CLEAN)
