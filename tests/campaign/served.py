"""
All that a node serves from its folder, as plain values that can be compared.

Made on a copy, by the parts that serve it: blocks, receipts, entries, rows with proofs, paths and
roots of the log, notes, containers and their index, papers, released lines, shares.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from salus.base import merkle
from salus.base.sealing import SealingKey
from salus.modules.records.state import BATCH
from salus.node.checkpoints import Checkpoints
from salus.node.ledger import Ledger
from salus.node.vault.index import Index
from salus.node.vault.objects import FolderObjects
from salus.node.vault.papers import Papers
from salus.node.witness.release_log import ReleaseLog
from salus.node.witness.shares import ShareStore
from salus.sealed.release import Want
from tests.campaign.node_folder import NodeFolder, open_ledger
from tests.support.machine import GENESIS_MS
from tests.support.parts import StillClock

Served = dict[str, Any]

STORAGE_SECRET = bytes(32)
"""The first member's, as `tests.support.network` gives it."""


def served_of(folder: NodeFolder) -> Served:
    """Copy the folder, start what serves from it, and ask for everything."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "node"
        shutil.copytree(folder.path, copy)
        with closing(open_ledger(folder, copy)) as ledger:
            found = dict(_ledger(ledger))
            found["note"] = _note(copy / "notes", ledger)
            found |= dict(_vault(copy / "vault", ledger))
        found |= dict(_witness(copy / "witness", found["batches"]))
    return found


def _ledger(ledger: Ledger) -> Iterator[tuple[str, Any]]:
    heights = range(1, ledger.tip.height + 1)
    yield "tip", ledger.tip
    yield "records", [ledger.record_bytes(height) for height in heights]
    yield "receipts", [ledger.receipts(height) for height in heights]
    entries = [entry for height in (0, *heights) for entry in ledger.entries(height)]
    yield "entries", entries
    yield "paths", [_true_path(ledger, number, entry) for number, entry in enumerate(entries)]
    rows = dict(ledger._store.rows())
    yield "rows", rows
    yield "proofs", {key: ledger.prove(key, ledger.tip.height) for key in rows}
    yield "found", dict(_places(ledger, heights))
    yield "batches", [key[len(BATCH.prefix) :] for key in sorted(rows) if key[:2] == BATCH.prefix]


def _true_path(ledger: Ledger, number: int, entry: bytes) -> list[bytes]:
    """A path that leads from the entry to the tip's log root; raises PathRefused."""
    size = ledger.tip.log_size
    path = ledger.path(number, size)
    root = merkle.root_from_path(merkle.leaf_hash(entry), number, size, path)
    if root != ledger.tip.log_root:
        raise merkle.PathRefused("the path leads elsewhere")
    return path


def _places(ledger: Ledger, heights: range) -> Iterator[tuple[bytes, tuple[int, int] | None]]:
    for height in heights:
        for data in ledger.record(height).txs:
            transaction_id = ledger.machine.form.read(data).id
            yield transaction_id, ledger.find(transaction_id)


def _note(folder: Path, ledger: Ledger) -> str | None:
    newest = Checkpoints(folder, ledger, None, []).newest  # type: ignore[arg-type]  # signs nothing here
    return None if newest is None else newest.text


def _vault(folder: Path, ledger: Ledger) -> Iterator[tuple[str, Any]]:
    objects = FolderObjects(folder / "batches")
    yield "containers", {name: objects.get(name) for name in sorted(objects.names())}
    with closing(Index(folder / "index.sqlite")) as index:
        tags = sorted({bytes(row[0]) for row in index._all("select tag from grp")})
        yield "groups", {tag: index.batches_of([tag], bytes(24), None) for tag in tags}
        yield "held", index.held()
    view = ledger.view()
    with closing(Papers(folder / "papers.sqlite")) as papers:
        sheets = sorted(bytes(row[0]) for row in papers._all("select tag from sheet"))
        yield "sheets", {tag: papers.sheet(view, tag) for tag in sheets}
        yield "packages", papers.packages_after(0)


def _witness(folder: Path, batches: list[bytes]) -> Iterator[tuple[str, Any]]:
    with closing(ReleaseLog(folder)) as log:
        entries = [log.entry(number) for number in range(log.size)]
        yield "releases", (log.size, log.root(log.size), entries)
        yield "release paths", [log.path(number, log.size) for number in range(log.size)]
        yield "sessions", sorted(log.index._db.execute("select * from session").fetchall())
    clock = StillClock(GENESIS_MS)
    with closing(ShareStore(folder, STORAGE_SECRET, [SealingKey.random()], clock)) as shares:
        wants = [Want(batch=batch, group=group) for batch in batches for group in range(6)]
        yield "shares", shares.find(wants)
        yield "share batches", [shares.batch(batch) for batch in batches]
