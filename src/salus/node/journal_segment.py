"""
One segment of the journal, read whole and judged.

A segment is a header, records, and zeros to the end. Reading one finds where each record lies
(`read_segment`), whether what stands behind the last good one is nothing, a torn write or damage
(`judge_tail`), and whether the chain holds (`check_chain`). All damage is told by one error that
names segment, offset, expected and found.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from salus.base.errors import Category, Fault, Problem
from salus.node.journal_format import (
    RECORD_MAGIC,
    SEGMENT_HEADER_BYTES,
    OtherFormat,
    RecordHeader,
    SegmentHeader,
    Unsound,
    decode_payload,
    decode_record_header,
    decode_segment_header,
    is_torn,
)
from salus.node.ports import Disk

SEGMENT_BYTES = 64 * 1024 * 1024
"""Every segment file has this length from the day it is made (`ledger.md` §3.5)."""

SUFFIX = ".seg"

_BLOCK_BYTES = 64 * 1024


class Damage(Fault):
    """Bytes of the journal are not what was once written and synced."""

    def __init__(self, segment: str, offset: int, expected: str, found: str) -> None:
        """`segment`: file name; `offset`: in bytes, of the header or record concerned."""
        super().__init__(
            "journal damaged: run `salus repair` to see what would be lost before anything is"
            f" changed ({segment} at {offset}: expected {expected}, found {found})"
        )
        self.segment = segment
        self.offset = offset
        self.expected = expected
        self.found = found


@dataclass(slots=True)
class Segment:
    """Where the records of a segment lie; 16 bytes of memory a record."""

    name: str
    header: SegmentHeader
    heights: "array[int]" = field(default_factory=lambda: array("Q"))
    """Heights of the records, strictly increasing."""

    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    """Offset of each record; always at least as many as heights, so that readers see both."""

    end: int = SEGMENT_HEADER_BYTES
    """Offset behind the last record."""

    chain: bytes = b""
    """Chain value after the last record; the header's while there is none."""

    def position(self, height: int) -> int:
        """Index of the record of that height; raises KeyError."""
        index = bisect_left(self.heights, height)
        if index == len(self.heights) or self.heights[index] != height:
            raise KeyError(height)
        return index

    def add(self, height: int, record_bytes: int, chain: bytes) -> None:
        """Note one more record behind the last."""
        self.offsets.append(self.end)
        self.end += record_bytes
        self.chain = chain
        self.heights.append(height)


def other_format(error: OtherFormat) -> Problem:
    """What an operator is told whose journal another version of this program wrote."""
    return Problem(
        Category.UNSUPPORTED,
        "FormatUnknown",
        f"the journal: expected {error.expected}, found {error.found.strip()}: start the version "
        "that wrote it, or let the node take all blocks from the other members into a new folder",
    )


def genesis_differs(found: bytes, expected: bytes) -> Problem:
    """What an operator is told whose folder and genesis file are of two networks (32 B each)."""
    return Problem(
        Category.CONFLICT,
        "GenesisDiffers",
        f"expected a folder of network {expected.hex()[:16]}…, the genesis file's, found one of "
        f"{found.hex()[:16]}…: start with the genesis file all members have, or choose another "
        "folder",
    )


def segment_name(first_height: int) -> str:
    """File name of the segment that starts with that height: 16 digits, so that names sort."""
    return f"{first_height:016d}{SUFFIX}"


def first_height(name: str) -> int:
    """The height a segment's file name tells."""
    return int(name[: -len(SUFFIX)])


def segment_names(disk: Disk, folder: Path) -> list[str]:
    """File names of all segments, by first height."""
    return [
        name
        for name in disk.names(folder)
        if name.endswith(SUFFIX) and name[: -len(SUFFIX)].isdigit() and len(name) == 20
    ]


def read_bytes(disk: Disk, path: Path) -> bytes:
    """The whole file."""
    file = disk.open(path)
    try:
        return disk.pread(file, disk.size(file), 0)
    finally:
        disk.close(file)


def read_header(name: str, data: bytes, network: bytes) -> SegmentHeader:
    """The segment's header; raises Damage, Problem FormatUnknown, GenesisDiffers."""
    try:
        header = decode_segment_header(data[:SEGMENT_HEADER_BYTES])
    except OtherFormat as error:
        raise other_format(error) from None
    except Unsound as error:
        raise Damage(name, 0, error.expected, error.found) from None
    if segment_name(header.first_height) != name:
        raise Damage(name, 0, "the first height its name tells", str(header.first_height))
    if header.network != network:
        raise genesis_differs(header.network, network)
    return header


def read_segment(name: str, data: bytes, network: bytes) -> Segment:
    """
    Find the segment's records up to the first bytes that are no sound record; O(segment).

    Checks the header, the file's length, and of each record all but the chain. Raises Damage for
    header and length; what ends the row of records is for `judge_tail` to say.
    """
    segment = read_records(name, data, network)
    check_length(segment, data)
    return segment


def check_length(segment: Segment, data: bytes) -> None:
    """Hold the file to the length its header states; raises Damage."""
    stated = segment.header.segment_bytes
    if len(data) != stated:
        raise Damage(segment.name, min(len(data), stated), f"{stated} bytes", str(len(data)))


def read_records(name: str, data: bytes, network: bytes) -> Segment:
    """Do as `read_segment`, whatever length the file has."""
    header = read_header(name, data, network)
    segment = Segment(name, header, chain=header.chain_before)
    view = memoryview(data)
    while True:
        try:
            record = _next_record(segment, view[segment.end :])
        except Unsound:
            return segment
        segment.add(record.height, record.record_bytes, record.chain)


def judge_tail(segment: Segment, data: bytes) -> bool:
    """
    Whether a torn record stands behind the last good one; raises Damage if anything else does.

    A torn record is the newest write, never acknowledged, part of which was never written. Before
    a later good record, or with no part missing, the same bytes are damage (`corrections.md` 17).
    """
    view = memoryview(data)[segment.end :]
    written_bytes = _written_bytes(view)
    if written_bytes == 0:
        return False
    salt = segment.header.salt
    later = next(later_records(segment, data), None)
    if later is None and is_torn(view, written_bytes, salt, segment.end):
        return True
    raise _first_difference(segment, view)


def check_blank_tail(segment: Segment, data: bytes) -> None:
    """Check that nothing stands behind the last record: no write can be torn here; Damage."""
    view = memoryview(data)[segment.end :]
    if _written_bytes(view):
        raise _first_difference(segment, view)


def check_chain(segment: Segment, data: bytes) -> None:
    """Check every payload and the chain from the header to the last record; raises Damage."""
    for _ in payloads(segment, data, 0, len(segment.heights)):
        pass


def payloads(segment: Segment, data: bytes, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Height and payload of each record from index `first` to `stop`, checked; raises Damage."""
    view = memoryview(data)
    chain = segment.header.chain_before
    if first:
        chain = chain_at(data, segment.offsets[first - 1])
    for index in range(first, stop):
        at = segment.offsets[index]
        height = segment.heights[index]
        yield height, checked_payload(segment, view[at:], at, height, chain)
        chain = chain_at(data, at)


def checked_payload(
    segment: Segment, record: memoryview, at: int, height: int, chain_before: bytes
) -> bytes:
    """The payload of the record that `record` starts with, all checks made; raises Damage."""
    try:
        header = decode_record_header(record, segment.header.salt)
        if header.height != height:
            raise Unsound(f"the record of height {height}", f"height {header.height}")
        return decode_payload(record, header, chain_before)
    except Unsound as error:
        raise Damage(segment.name, at, error.expected, error.found) from None


def check_link(segment: Segment, name: str, head: bytes, network: bytes) -> None:
    """Check that the segment `name`, whose header is `head`, goes on where this one ends."""
    header = read_header(name, head, network)
    if header.chain_before != segment.chain:
        raise Damage(
            name, 48, f"the chain value after {segment.name}", "another: a segment is missing"
        )


def chain_at(data: bytes, at: int) -> bytes:
    """The chain value in the record at that offset; 32 B."""
    return data[at + 32 : at + 64]


def later_records(segment: Segment, data: bytes) -> Iterator[tuple[int, int]]:
    """
    Offset and height of each sound record behind the first bad bytes.

    Only heights above the last good one count: a transaction may hold a copy of an older record.
    """
    view = memoryview(data)
    newest = segment.heights[-1] if segment.heights else segment.header.first_height
    at = data.find(RECORD_MAGIC, segment.end + 1)
    while at >= 0:
        with suppress(Unsound):
            height = decode_record_header(view[at:], segment.header.salt).height
            if at % 8 == 0 and height > newest:
                yield at, height
        at = data.find(RECORD_MAGIC, at + 1)


def _next_record(segment: Segment, tail: memoryview) -> RecordHeader:
    record = decode_record_header(tail, segment.header.salt)
    first = segment.header.first_height
    if not segment.heights and record.height != first:
        raise Unsound(f"height {first}, as in the segment's header", str(record.height))
    if segment.heights and record.height <= segment.heights[-1]:
        raise Unsound(f"a height above {segment.heights[-1]}", str(record.height))
    return record


def _first_difference(segment: Segment, tail: memoryview) -> Damage:
    try:
        _next_record(segment, tail)
    except Unsound as error:
        return Damage(segment.name, segment.end, error.expected, error.found)
    return Damage(segment.name, segment.end, "what was there before", "a record just written")


def _written_bytes(tail: memoryview) -> int:
    """Length up to the last byte that is not zero; compares whole blocks, so O(n) but fast."""
    stop = len(tail)
    while stop:
        start = max(stop - _BLOCK_BYTES, 0)
        block = bytes(tail[start:stop])
        if block != bytes(len(block)):
            return start + len(block.rstrip(b"\0"))
        stop = start
    return 0
