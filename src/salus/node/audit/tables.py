"""SQLite files read without touching them: a copy is opened, and checked before it is believed."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from salus.node.audit.report import Finding, Report

BESIDE = ("", "-wal")
"""The file and its write-ahead log, which holds the newest rows after an unclean end."""


class Rows:
    """A database's rows."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """`db`: open on the copy."""
        self._db = db

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with closing(self._db.execute(query)) as cursor:
            return cursor.fetchall()


@contextmanager
def open_copy(path: Path, area: str, report: Report) -> Iterator[Rows | None]:
    """A copy's rows; None, and a finding, if there is no sound database."""
    place = f"{area}/{path.name}"
    with tempfile.TemporaryDirectory(prefix="salus-audit-") as folder:
        copy = Path(folder) / path.name
        for ending in BESIDE:
            beside = path.with_name(path.name + ending)
            if beside.exists():
                shutil.copyfile(beside, copy.with_name(copy.name + ending))
        if not copy.exists():
            report.skip(f"{place}: there is none")
            yield None
            return
        with closing(sqlite3.connect(copy)) as db:
            found = _problem(db)
            if found is not None:
                report.add(Finding(area, place, "a sound database", found))
            yield Rows(db) if found is None else None


def _problem(db: sqlite3.Connection) -> str | None:
    """What SQLite itself finds wrong, or None."""
    try:
        [(word,), *_] = db.execute("pragma integrity_check").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # SQLite's own sentence may hold the damaged bytes it speaks of.
        return f"what cannot be read ({type(error).__name__})"
    return None if word == "ok" else "one that contradicts itself"
