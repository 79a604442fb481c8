"""
The vault's files: every container under the ledger's root, the index made anew, every paper.

A container is sound if it is whole, is the one the ledger names, its blobs have their hashes and
its author signed it. It must be here if the ledger holds this member's receipt for it.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from salus.base import codec
from salus.base.errors import Problem
from salus.base.sealing import padme_bytes
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.modules.records.state import BATCH, Batch
from salus.node.audit.report import Finding, Report
from salus.node.audit.tables import Rows, open_copy
from salus.node.vault.checks import check_signed
from salus.node.vault.objects import SUFFIX
from salus.sealed import checks
from salus.sealed import container as containers
from salus.sealed.container import Container
from salus.sealed.sheet import Sheet, sheet_root

Group = tuple[bytes, int, int, int]
"""Of the index: tag, number, level, slot."""


class Known(NamedTuple):
    """What the ledger says of containers and sheets."""

    batches: Mapping[bytes, Batch]
    """All batches by id."""

    heights: Mapping[bytes, int]
    """Of the blocks that committed them."""

    sheet_roots: AbstractSet[bytes]
    """Of all sheets that any tag ever had: a vault may hold an old one, but none of its own."""


class VaultChecker:
    """Checks one vault against a state."""

    def __init__(
        self,
        folder: Path,
        view: View,
        known: Known,
        report: Report,
    ) -> None:
        """`view`, `known`: of the newest block."""
        self._folder = folder
        self._view = view
        self._batches = known.batches
        self._heights = known.heights
        self._sheet_roots = known.sheet_roots
        self._report = report
        self._sound: dict[bytes, Container] = {}

    def check(self, member: bytes | None) -> None:
        """Check containers, index and papers; `member`: whose vault this is, if known."""
        for path in sorted((self._folder / "batches").glob(f"*{SUFFIX}")):
            self._check_container(path)
        self._check_missing(member)
        with open_copy(self._folder / "index.sqlite", "vault", self._report) as rows:
            if rows is not None:
                self._guard("index.sqlite", self._check_index, rows)
        with open_copy(self._folder / "papers.sqlite", "vault", self._report) as rows:
            if rows is not None:
                self._guard("papers.sqlite", self._check_papers, rows)

    def _check_container(self, path: Path) -> None:
        place = f"vault/batches/{path.name}"
        self._report.counts["vault.containers"] += 1
        try:
            batch = bytes.fromhex(path.name.removesuffix(SUFFIX))
            data = path.read_bytes()
            container = containers.parse(data)
            checks.check_complete(container)
            checks.check_blobs(container)
            check_signed(self._view, container)
        except (Problem, ValueError) as error:
            self._add(place, "a sound container", str(error))
            return
        row = self._batches.get(batch)
        if container.head.batch != batch:
            self._add(place, "the batch its name tells", "another")
        elif row is not None and row.root != container.root:
            self._add(place, f"root {row.root.hex()}", container.root.hex())
        elif row is not None and row.bytes != padme_bytes(len(data)):
            self._add(place, f"about {row.bytes} bytes", f"{len(data)}")
        else:
            self._sound[batch] = container
            self._report.counts["vault.waiting"] += row is None

    def _check_missing(self, member: bytes | None) -> None:
        admitted = members.admitted(self._view)
        if member not in admitted:
            self._report.skip("which containers should be in the vault: its member is not known")
            return
        number = admitted.index(member)
        for batch, row in sorted(self._batches.items()):
            if number in row.stored:
                self._report.counts["vault.should_hold"] += 1
                if not (self._folder / "batches" / f"{batch.hex()}{SUFFIX}").exists():
                    self._add(f"vault/batches/{batch.hex()}{SUFFIX}", "the container", "no file")

    def _check_index(self, rows: Rows) -> None:
        """Compare the index with the sound containers and the ledger, row by row."""
        found = rows.all("select id, root, author, bytes, held, height from batch order by id")
        groups = _groups(rows)
        [(height,)] = rows.all("select coalesce(max(height), 0) from progress") or [(0,)]
        for batch, root, author, count, held, at in found:
            container = self._sound.get(batch)
            known = self._batches.get(batch)
            truth = _named(container, known)
            self._report.counts["vault.index"] += 1
            if truth is None or truth[:2] != (root, author):
                self._differ("root and author of a batch", "others")
            if known is None and container is not None and count != _size(self._folder, batch):
                self._differ("the container's size", "another")
            if at != self._height(batch, height):
                self._differ("the height of a batch's commitment", f"{at}")
            if held and container is None:
                self._differ("a container that is held", "none that is sound")
            if held and container is not None and groups.get(batch, set()) != _own(container):
                self._differ("the groups of a batch", "others")
        if set(groups) - {row[0] for row in found}:
            self._differ("groups of known batches", "one of another")
        missing = {b for b, at in self._heights.items() if at <= height} - {r[0] for r in found}
        if missing:
            self._differ("every batch up to its height", f"{len(missing)} fewer")

    def _height(self, batch: bytes, read_to: int) -> int | None:
        """What the index should say, having read the ledger so far."""
        height = self._heights.get(batch)
        return height if height is not None and height <= read_to else None

    def _check_papers(self, rows: Rows) -> None:
        for tag, data in rows.all("select tag, sheet from sheet order by tag"):
            sheet = codec.decode(data, Sheet)
            root = sheet_root(sheet, self._view.network)
            if sheet.tag != tag or root not in self._sheet_roots:
                self._add("vault/papers.sqlite", "a sheet of its tag, as the ledger has it", "none")
            record = consent.tag(self._view, tag)
            self._report.counts["vault.sheets_old"] += record is None or root != record.sheet_root
            self._report.counts["vault.sheets"] += 1
        for grant, digest, sealed in rows.all("select grant_id, hash, sealed from package"):
            self._report.counts["vault.packages"] += 1
            known = consent.grant_status(self._view, grant, self._view.time_ms) != "unknown"
            if sha256(sealed).digest() != digest or not known:
                self._add(
                    "vault/papers.sqlite", "a package with its hash, of a known grant", "none"
                )

    def _guard(self, name: str, check: Callable[[Rows], None], rows: Rows) -> None:
        """Take what a damaged table makes of itself for a finding."""
        try:
            check(rows)
        except (sqlite3.DatabaseError, codec.Malformed, TypeError, ValueError) as error:
            self._add(f"vault/{name}", "rows as they were written", type(error).__name__)

    def _differ(self, expected: str, found: str) -> None:
        self._add("vault/index.sqlite", expected, found)

    def _add(self, place: str, expected: str, found: str) -> None:
        self._report.add(Finding("vault", place, expected, found))


def all_batches(rows: Iterator[tuple[bytes, bytes]]) -> dict[bytes, Batch]:
    """The ledger's batches by id; `rows`: of its table, as state key and value."""
    return {key[len(BATCH.prefix) :]: BATCH.decode(value) for key, value in rows}


def _groups(rows: Rows) -> dict[bytes, set[Group]]:
    groups: dict[bytes, set[Group]] = {}
    for tag, batch, number, level, slot in rows.all(
        "select tag, batch, number, level, slot from grp"
    ):
        groups.setdefault(batch, set()).add((tag, number, level, slot))
    return groups


def _own(container: Container) -> set[Group]:
    return {
        (group.tag, number, group.level, group.index)
        for number, group in enumerate(container.groups)
        if group is not None
    }


def _named(container: Container | None, known: Batch | None) -> tuple[bytes, bytes] | None:
    """Root and author by the ledger, else by the container; None if neither knows the batch."""
    if known is not None:
        return known.root, known.author
    return None if container is None else (container.root, container.head.author)


def _size(folder: Path, batch: bytes) -> int:
    return (folder / "batches" / f"{batch.hex()}{SUFFIX}").stat().st_size
