"""
Sheets and packages: small files that every vault keeps and that cannot be rebuilt from containers.

- A sheet is kept only if its root is that of the tag's state, and served only while it is: a writer
  who got an old one would be refused by every member (V8).
- Packages stand in the order they came, so that a gateway can try each new one. Nobody here can
  tell a true one from rubbish: each member may leave a few for a grant, and none replaces another.
"""

import hashlib
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.limits import PACKAGE_BYTES_MAX, PACKAGES_PER_GRANT_MAX, VAULT_ANSWER_BYTES_MAX
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.state import TagRecord
from salus.node.vault.messages import FoundPackage, PackagesFound
from salus.sealed.days import Node
from salus.sealed.sheet import Sheet, SheetExtract, extract, sheet_root

_TABLES = """
create table if not exists sheet (tag blob primary key, sheet blob not null) without rowid;
create table if not exists package (
    number integer primary key autoincrement, grant_id blob not null, sender blob not null,
    hash blob not null, sealed blob not null, unique (grant_id, hash));
"""


class Papers:
    """Opened by the vault alone; any thread calls. Every write is synced."""

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_TABLES)

    def put_sheet(self, view: View, sheet: Sheet) -> None:
        """Keep a tag's sheet; raises Problem TagUnknown, SheetNotCurrent."""
        if not _is_current(view, sheet):
            raise Problem(
                Category.CONFLICT,
                "SheetNotCurrent",
                "expected the sheet whose root is the tag's on the ledger; update the tag first",
            )
        with self._lock, self._db:
            self._db.execute(
                "insert or replace into sheet values (?, ?)", (sheet.tag, codec.encode(sheet))
            )

    def sheet(self, view: View, tag: bytes) -> Sheet:
        """The tag's present sheet; raises Problem TagUnknown, SheetUnknown."""
        found = self._all("select sheet from sheet where tag = ?", tag)
        sheet = codec.decode(found[0][0], Sheet) if found else None
        if sheet is None or not _is_current(view, sheet):
            _record(view, tag)
            raise Problem(
                Category.NOT_FOUND,
                "SheetUnknown",
                "this vault lacks the tag's present sheet; ask another member",
            )
        return sheet

    def extract(self, view: View, tag: bytes, slot: Node) -> SheetExtract:
        """One slot's key with its path; raises as `sheet`, and Problem SlotNotOnSheet."""
        return extract(self.sheet(view, tag), slot)

    def put_package(self, view: View, sender: bytes, grant: bytes, sealed: bytes) -> None:
        """
        Keep a package of a grant in force; the same again changes nothing.

        Of one sender the newest 16 stay: a renewal holds all seeds again, so the oldest gives way.
        Raises Problem PackageTooLarge, GrantNotActive.
        """
        if len(sealed) > PACKAGE_BYTES_MAX:
            raise Problem(
                Category.TOO_LARGE,
                "PackageTooLarge",
                f"{len(sealed)} bytes; expected at most {PACKAGE_BYTES_MAX}",
            )
        if consent.grant_status(view, grant, view.time_ms) != "active":
            raise Problem(
                Category.CONFLICT,
                "GrantNotActive",
                "expected a grant in force on the ledger; put the grant first",
            )
        digest = hashlib.sha256(sealed).digest()
        with self._lock, self._db:
            self._db.execute(
                "insert or ignore into package (grant_id, sender, hash, sealed)"
                " values (?, ?, ?, ?)",
                (grant, sender, digest, sealed),
            )
            self._db.execute(
                "delete from package where grant_id = ? and sender = ? and number not in"
                " (select number from package where grant_id = ? and sender = ?"
                " order by number desc limit ?)",
                (grant, sender, grant, sender, PACKAGES_PER_GRANT_MAX),
            )

    def packages_of(self, grant: bytes) -> PackagesFound:
        """All packages of one grant, oldest first."""
        return self._packages("grant_id = ?", grant)

    def packages_after(self, number: int) -> PackagesFound:
        """Packages with greater numbers, at most 8 MiB of them."""
        return self._packages("number > ?", number)

    def tidy(self, view: View) -> None:
        """Remove the packages of grants that ended or were revoked."""
        for (grant,) in self._all("select distinct grant_id from package"):
            if consent.grant_status(view, grant, view.time_ms) != "active":
                with self._lock, self._db:
                    self._db.execute("delete from package where grant_id = ?", (grant,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _packages(self, where: str, value: bytes | int) -> PackagesFound:
        query = f"select number, grant_id, sealed from package where {where} order by number"  # noqa: S608 (a clause of this file)
        packages: list[FoundPackage] = []
        total_bytes = 0
        with self._lock, closing(self._db.execute(query, (value,))) as rows:
            for number, grant, sealed in rows:
                total_bytes += len(sealed)
                if packages and total_bytes > VAULT_ANSWER_BYTES_MAX:
                    return PackagesFound(packages=packages, more=True)
                packages.append(FoundPackage(grant=grant, number=number, sealed=sealed))
        return PackagesFound(packages=packages, more=False)

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchall()


def _is_current(view: View, sheet: Sheet) -> bool:
    record = _record(view, sheet.tag)
    found = (sheet.generation, sheet.first_day, sheet_root(sheet, view.network))
    return found == (record.generation, record.first_day, record.sheet_root)


def _record(view: View, tag: bytes) -> TagRecord:
    record = consent.tag(view, tag)
    if record is None:
        raise Problem(Category.NOT_FOUND, "TagUnknown", "no such tag on this member's ledger")
    return record
