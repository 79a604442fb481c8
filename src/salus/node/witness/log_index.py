"""
Where the release log's entries lie, by tag and by grant, and which sessions were served when.

SQLite, made of nothing but the log: whatever it lacks is read from there at the next start, so its
writes are not synced one by one.
"""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_DAYS_KEPT = 2
"""UTC days whose sessions still count."""

_TABLES = """
create table if not exists record (
    first integer primary key, count integer not null, end integer not null);
create table if not exists entry (
    number integer primary key, offset integer not null, length integer not null,
    tag blob not null, grant_id blob not null);
create index if not exists entry_tag on entry (tag, number);
create index if not exists entry_grant on entry (grant_id, number);
create table if not exists session (
    day integer, grant_id blob, session blob, primary key (day, grant_id, session)
) without rowid;
"""


class Placed(NamedTuple):
    """One entry: where it lies and under what it is found."""

    offset: int
    length: int
    tag: bytes
    grant: bytes
    day: int
    """UTC day of the session's intent."""

    session: bytes
    """26 B; see `messages.session_of`."""


class LogIndex:
    """Opened by the release log alone; any thread asks."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; one that is no database is made anew."""
        self._lock = threading.Lock()
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError:
            path.unlink()
            self._db = _open(path)

    def end(self) -> tuple[int, int]:
        """(entries, bytes) of the log that are indexed."""
        row = self._one("select first + count, end from record order by first desc limit 1")
        return (0, 0) if row is None else (row[0], row[1])

    def end_within(self, size: int) -> tuple[int, int]:
        """The same, of whole records inside the first `size` entries; all later rows go."""
        with self._lock, self._db:
            row = self._db.execute(
                "select first + count, end from record where first + count <= ?"
                " order by first desc limit 1",
                (size,),
            ).fetchone()
            kept, end = (0, 0) if row is None else (row[0], row[1])
            self._db.execute("delete from record where first >= ?", (kept,))
            self._db.execute("delete from entry where number >= ?", (kept,))
        return kept, end

    def add(self, first: int, end: int, entries: Sequence[Placed]) -> None:
        """Enter one record's entries, numbers from `first` on."""
        with self._lock, self._db:
            self._db.execute("insert into record values (?, ?, ?)", (first, len(entries), end))
            self._db.executemany(
                "insert into entry values (?, ?, ?, ?, ?)",
                [
                    (first + at, one.offset, one.length, one.tag, one.grant)
                    for at, one in enumerate(entries)
                ],
            )
            self._db.executemany(
                "insert or ignore into session values (?, ?, ?)",
                [(one.day, one.grant, one.session) for one in entries],
            )
            oldest = max(one.day for one in entries) - _DAYS_KEPT
            self._db.execute("delete from session where day < ?", (oldest,))

    def place(self, number: int) -> tuple[int, int]:
        """(offset, length) of an entry that the log holds."""
        row = self._one("select offset, length from entry where number = ?", number)
        if row is None:
            raise KeyError(number)
        return row[0], row[1]

    def numbers_of_tag(self, tag: bytes, first: int, limit: int) -> list[int]:
        """Numbers of a tag's entries from `first` on, ascending."""
        return self._numbers("tag", tag, first, limit)

    def numbers_of_grant(self, grant: bytes, first: int, limit: int) -> list[int]:
        """Numbers of a grant's entries from `first` on, ascending."""
        return self._numbers("grant_id", grant, first, limit)

    def sessions(self, day: int, grant: bytes) -> int:
        """How many sessions under a grant were served whose intents are of that UTC day."""
        row = self._one("select count(*) from session where day = ? and grant_id = ?", day, grant)
        return 0 if row is None else int(row[0])

    def served(self, day: int, grant: bytes, session: bytes) -> bool:
        """Whether this session is among them."""
        found = self._one(
            "select 1 from session where day = ? and grant_id = ? and session = ?",
            day, grant, session,
        )  # fmt: skip
        return found is not None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _numbers(self, column: str, value: bytes, first: int, limit: int) -> list[int]:
        query = (
            f"select number from entry where {column} = ? and number >= ? order by number limit ?"  # noqa: S608 (one of two column names of this file)
        )
        with self._lock:
            return [row[0] for row in self._db.execute(query, (value, first, limit))]

    def _one(self, query: str, *values: bytes | int) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return row


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.executescript(_TABLES)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
