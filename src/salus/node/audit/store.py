"""
The store compared, key by key, with one that was replayed from the journal.

Rows, buckets, receipts, index and meta are walked side by side in the order of their keys, so every
byte RocksDB holds of them is read and none can be missing or too many.
"""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from salus.node.audit.report import Finding, Report
from salus.node.audit.store_view import StoreView
from salus.state.disk import FAMILIES, StoreDamaged
from salus.state.heap import SLOT_BYTES

HEAP = "heap"
"""File of the saved heap: magic 8, T u8, root 32, CRC-32 of the rest; slots, kinds (`disk.py`)."""

_CRC_AT, _HEAD_BYTES = 41, 45


def compare_stores(real: Path, replayed: Path, levels: int, report: Report) -> None:
    """Compare two closed stores that stand at one height; `levels`: T of both."""
    try:
        found = StoreView(real)
    except StoreDamaged as damage:
        report.add(_unreadable("state/rocks", damage))
        return
    expected = StoreView(replayed)
    try:
        for family in FAMILIES:
            _compare_family(family, expected, found, levels, report)
    finally:
        found.close()
        expected.close()


def compare_heaps(real: Path, replayed: Path, report: Report) -> None:
    """Compare the saved heaps of two stores at one height; a start without one builds it."""
    if not (real / HEAP).exists():
        return
    data = (real / HEAP).read_bytes()
    report.counts["state.heaps"] += 1
    if crc32(data[_HEAD_BYTES:]) != int.from_bytes(data[_CRC_AT:_HEAD_BYTES], "big"):
        report.add(Finding("state", "state/heap", "a heap whose CRC fits", "another CRC"))
    elif _nodes(data) != _nodes((replayed / HEAP).read_bytes()):
        report.add(Finding("state", "state/heap", "the heap of this height", "another"))


def _nodes(data: bytes) -> tuple[bytes, bytes]:
    """A saved heap's head and its nodes; slot 0 is no node, and its bytes are anybody's."""
    return data[:_CRC_AT], data[_HEAD_BYTES + SLOT_BYTES :]


def _compare_family(
    family: str, expected: StoreView, found: StoreView, levels: int, report: Report
) -> None:
    theirs = _rows(family, found, levels)
    try:
        row = next(theirs, None)
        for number, (key, value) in enumerate(_rows(family, expected, levels)):
            report.counts[f"state.{family}"] += 1
            while row is not None and row[0] < key:
                _differ(family, "no row here", "one too many", number, report)
                row = next(theirs, None)
            if row is None or row[0] != key:
                _differ(family, f"{len(value)} bytes", "no such row", number, report)
                continue
            if row[1] != value:
                _differ(family, f"{len(value)} bytes as replayed", "others", number, report)
            row = next(theirs, None)
        while row is not None:
            _differ(family, "no more rows", "one too many", None, report)
            row = next(theirs, None)
    except StoreDamaged as damage:
        report.add(_unreadable(f"state/{family}", damage))


def _rows(family: str, store: StoreView, levels: int) -> Iterator[tuple[bytes, bytes]]:
    """All of a family; of the buckets those of this T: others are read by nobody."""
    for key, value in store.items(family):
        if family != "buckets" or int.from_bytes(key, "big") >> levels == 1:
            yield key, value


def _differ(family: str, expected: str, found: str, number: int | None, report: Report) -> None:
    report.add(Finding("state", f"state/{family}", expected, found, None, number))


def _unreadable(place: str, damage: StoreDamaged) -> Finding:
    cause = damage.__cause__
    text = str(damage) if cause is None else f"{damage} ({type(cause).__name__}: {cause})"
    return Finding("state", place, "a database that can be read", text)
