"""
The witness's files: its log of releases, the tree and index over it, its shares.

The log is held to the anchor on the ledger, the shares to the vault's index (`shares.py`).
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from salus.base import codec, merkle
from salus.base.errors import Fault
from salus.base.merkle import Frontier
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.state import RELEASES
from salus.node.audit.log import check_log_files
from salus.node.audit.report import Finding, Report
from salus.node.audit.shares import check_shares
from salus.node.audit.tables import Rows, open_copy
from salus.node.witness import log_record
from salus.node.witness.log_record import FILE_HEAD_BYTES, FILE_MAGIC, Record, Torn
from salus.node.witness.messages import ReleaseEntry, day_of_time, session_of
from salus.node.witness.release_log import FILE

DAYS_KEPT = 2
"""UTC days of which the index keeps sessions; as `witness.log_index`."""


class Line(NamedTuple):
    """One entry of the log and where it lies."""

    number: int
    offset: int
    data: bytes
    entry: ReleaseEntry


def check_witness(
    folder: Path, vault: Path, view: View, member: bytes | None, report: Report
) -> None:
    """
    Check log, tree, anchor, index and shares.

    `vault`: the same member's; `member`: whose witness this is, if known.
    """
    if (folder / FILE).exists():
        records = list(_read_log(folder / FILE, report))
        lines = list(_lines(records))
        leaves = [merkle.leaf_hash(line.data) for line in lines]
        check_log_files(folder / "tree", b"".join(leaves), report, "witness")
        _check_anchor(leaves, view, member, report)
        with open_copy(folder / "index.sqlite", "witness", report) as rows:
            if rows is not None:
                _guard(lambda: _check_index(rows, records, lines, report), report)
        report.counts["witness.entries"] = len(lines)
    if (folder / "shares").exists():
        check_shares(folder / "shares", vault, report)


def _read_log(path: Path, report: Report) -> Iterator[Record]:
    """All records of the file; a bad one ends it, and is a finding unless it is a torn write."""
    data = path.read_bytes()
    if data[:8] != FILE_MAGIC:
        _add(report, FILE, "a release log", "another file")
        return
    salt, at = data[8:FILE_HEAD_BYTES], FILE_HEAD_BYTES
    while at < len(data):
        try:
            record = log_record.read(data[at:], at, salt)
        except Torn:
            report.counts["witness.torn"] = 1
            if data[at:].find(log_record.MAGIC, 4) >= 0:
                _add(report, FILE, "no record behind a torn one", "one", at)
            return
        except Fault:
            _add(report, FILE, "a record whose CRC fits", "another CRC", at)
            return
        yield record
        at = record.end


def _lines(records: list[Record]) -> Iterator[Line]:
    number = 0
    for record in records:
        for data, offset in zip(record.entries, record.offsets, strict=True):
            yield Line(number, offset, data, codec.decode(data, ReleaseEntry))
            number += 1


def _check_anchor(leaves: list[bytes], view: View, member: bytes | None, report: Report) -> None:
    if member is None:
        report.skip("the anchor of the release log: its member is not known")
        return
    anchor = consent.anchor(view, member, RELEASES)
    if anchor is None:
        return
    report.counts["witness.anchors"] = 1
    if anchor.size > len(leaves):
        _add(report, FILE, f"{anchor.size} entries, as anchored", f"{len(leaves)}")
        return
    frontier = Frontier()
    for leaf in leaves[: anchor.size]:
        frontier.append(leaf)
    if frontier.root != anchor.root:
        _add(report, FILE, f"root {anchor.root.hex()} at {anchor.size}", frontier.root.hex())


def _check_index(rows: Rows, records: list[Record], lines: list[Line], report: Report) -> None:
    """Compare the index with the log, as far as the index goes."""
    firsts = _firsts(records)
    found = rows.all("select first, count, end from record order by first")
    if found != firsts[: len(found)]:
        _add(report, "index.sqlite", "the log's records", "others")
    count = sum(row[1] for row in found)
    placed = [
        (line.number, line.offset, len(line.data), line.entry.tag, line.entry.subject)
        for line in lines[:count]
    ]
    query = "select number, offset, length, tag, grant_id from entry order by number"
    if rows.all(query) != placed:
        _add(report, "index.sqlite", "the log's entries", "others")
    sessions = set(rows.all("select day, grant_id, session from session"))
    if sessions != _sessions(records[: len(found)]):
        _add(report, "index.sqlite", "the sessions of the last days", "others")


def _firsts(records: list[Record]) -> list[tuple[int, int, int]]:
    first, rows = 0, []
    for record in records:
        rows.append((first, len(record.entries), record.end))
        first += len(record.entries)
    return rows


def _sessions(records: list[Record]) -> set[tuple[int, bytes, bytes]]:
    """The sessions the index keeps, added and dropped as it does."""
    kept: set[tuple[int, bytes, bytes]] = set()
    for record in records:
        entries = [codec.decode(data, ReleaseEntry) for data in record.entries]
        days = [day_of_time(entry.intent_ms) for entry in entries]
        kept |= {
            (day, entry.subject, session_of(entry.member, entry.sequence, entry.index))
            for day, entry in zip(days, entries, strict=True)
        }
        kept = {one for one in kept if one[0] >= max(days) - DAYS_KEPT}
    return kept


def _guard(check: Callable[[], None], report: Report) -> None:
    try:
        check()
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        _add(report, "index.sqlite", "rows as they were written", type(error).__name__)


def _add(report: Report, name: str, expected: str, found: str, at: int | None = None) -> None:
    report.add(Finding("witness", f"witness/{name}", expected, found, None, at))
