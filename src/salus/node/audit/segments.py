"""
The journal read without changing it: segment by segment, cut into spans that processes take.

Here every CRC, link, tail and the mark of a clean end are checked; payloads and the chain are for
whoever takes a span.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from salus.base.errors import Fault, Problem
from salus.base.hashing import ZERO32
from salus.node.audit.report import Finding, Report
from salus.node.journal_format import SegmentHeader
from salus.node.journal_mark import CLEAN, read_mark
from salus.node.journal_segment import (
    Damage,
    Segment,
    chain_at,
    check_blank_tail,
    checked_payload,
    judge_tail,
    read_bytes,
    read_segment,
    segment_names,
)
from salus.node.journal_spare import SPARE
from salus.node.ports import REAL_DISK

SPAN_BYTES = 1024 * 1024
"""Stored bytes of a span: about 7,000 transactions, a third of a second of signature checks."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some records of one segment; pickles small."""

    path: Path
    header: SegmentHeader
    """The segment's, its chain value that before the span's first record."""

    heights: tuple[int, ...]
    offsets: tuple[int, ...]
    end: int
    """Offset behind the last record."""

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """Height and payload of each record, CRC and chain checked; raises Damage."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[0])
            data = file.read(self.end - self.offsets[0])
        segment = Segment(self.path.name, self.header)
        chain = self.header.chain_before
        for height, offset in zip(self.heights, self.offsets, strict=True):
            at = offset - self.offsets[0]
            yield height, checked_payload(segment, memoryview(data)[at:], offset, height, chain)
            chain = chain_at(data, at)

    def chains(self) -> Iterator[tuple[int, bytes]]:
        """Height and chain value of each record, as written; `payloads` checks them."""
        with self.path.open("rb") as file:
            for height, offset in zip(self.heights, self.offsets, strict=True):
                file.seek(offset + 32)
                yield height, file.read(32)


@dataclass(slots=True)
class JournalFound:
    """The sound beginning of a journal."""

    spans: list[Span]
    tip_height: int
    """Height of its last record; 0 if there is none."""

    whole: bool
    """Whether nothing stands behind it that should not."""


def read_journal(folder: Path, network: bytes, report: Report) -> JournalFound:
    """Check what one pass over the bytes can, up to the first difference; O(journal)."""
    found = JournalFound(spans=[], tip_height=0, whole=True)
    try:
        chain = _read_segments(folder, network, report, found)
        _check_mark(folder, found.tip_height, chain, report)
    except Damage as damage:
        found.whole = False
        report.add(
            Finding(
                "journal", f"journal/{damage.segment}", damage.expected, damage.found,
                found.tip_height + 1, damage.offset,
            )
        )  # fmt: skip
    except (Fault, Problem, FileNotFoundError) as fault:
        found.whole = False
        report.add(Finding("journal", "journal", "this network's journal", str(fault)))
    if not found.whole:
        report.skip("the journal behind its first difference")
    _check_spare(folder, report)
    report.counts["journal.records"] = sum(len(span.heights) for span in found.spans)
    return found


def _read_segments(folder: Path, network: bytes, report: Report, found: JournalFound) -> bytes:
    """Check the segments in their order; gives the chain value after the last record."""
    names = segment_names(REAL_DISK, folder)
    chain = ZERO32
    for name in names:
        data = read_bytes(REAL_DISK, folder / name)
        segment = read_segment(name, data, network)
        report.counts["journal.segments"] += 1
        if segment.header.chain_before != chain:
            raise Damage(name, 48, "the chain value before it", "another: a segment is missing")
        chain = segment.chain
        if segment.heights:
            found.spans += _spans(folder / name, segment, data)
            found.tip_height = segment.heights[-1]
        if name == names[-1]:
            report.counts["journal.torn"] += judge_tail(segment, data)
        else:
            check_blank_tail(segment, data)
    return chain


def _spans(path: Path, segment: Segment, data: bytes) -> Iterator[Span]:
    """Cut a segment's records into pieces of about `SPAN_BYTES`."""
    count = len(segment.heights)
    first = 0
    while first < count:
        stop = first + 1
        while stop < count and segment.offsets[stop] - segment.offsets[first] < SPAN_BYTES:
            stop += 1
        before = segment.header.chain_before
        if first:
            before = chain_at(data, segment.offsets[first - 1])
        yield Span(
            path=path,
            header=replace(segment.header, chain_before=before),
            heights=tuple(segment.heights[first:stop]),
            offsets=tuple(segment.offsets[first:stop]),
            end=segment.offsets[stop] if stop < count else segment.end,
        )
        first = stop


def _check_mark(folder: Path, tip_height: int, chain: bytes, report: Report) -> None:
    """Hold the end to the one the journal was closed with; without a mark it was not closed."""
    if not (folder / CLEAN).exists():
        return
    mark = read_mark(folder, REAL_DISK)
    if mark is None:
        report.add(Finding("journal", f"journal/{CLEAN}", "a mark whose CRC fits", "another CRC"))
    elif mark != (tip_height, chain) or report.counts["journal.torn"]:
        raise Damage(
            CLEAN, 0, f"an end at height {mark[0]} and nothing behind it", f"one at {tip_height}"
        )


def _check_spare(folder: Path, report: Report) -> None:
    """A spare must be blank: what stands in it would pass for damage once it is a segment."""
    path = folder / SPARE
    if path.exists() and path.read_bytes().strip(b"\0"):
        report.add(Finding("journal", f"journal/{SPARE}", "zeros only", "other bytes"))
