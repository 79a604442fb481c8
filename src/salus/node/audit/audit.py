"""
One member's stopped folder, checked from the journal up; nothing in it is changed.

| step | level | compares |
| --- | --- | --- |
| journal | both | every byte: CRCs, chain, links, tail, mark, spare |
| signatures | both | every envelope's, in whole processes |
| log | both | entries with log size, log root and app hash of each block |
| log files | both | every level, hashed anew |
| notes | both | signatures, and the root of the size each names |
| blocks | full | each executed again: results, events, roots |
| state | full | every row, bucket, receipt and index row, and the saved heap |
| vault, witness | full | containers, index, papers; release log, tree, index, shares |

Level `log` makes the entries of the receipts that the node serves; blocks above the store's base
have none and are executed. Each step tells the first difference of each place and counts the rest.
"""

from contextlib import closing
from pathlib import Path
from typing import Literal

from salus.base.errors import Category, Problem
from salus.chain import machine
from salus.machine.genesis import read_genesis
from salus.node.audit.levels import run_full, run_log
from salus.node.audit.notes import read_notes
from salus.node.audit.report import Finding, Report
from salus.node.audit.run import Progress, Run
from salus.node.audit.segments import read_journal
from salus.node.audit.store_view import StoreView
from salus.node.folder_lock import FolderLock
from salus.node.history import read_start
from salus.state.disk import Base, StoreDamaged

CHECKED = frozenset({"lock", "journal", "state", "log", "notes", "vault", "witness"})
"""What of the folder is read, at level `full`; anything else is told as skipped."""

NO_STATE = "state: there is none; a start replays it from the journal"


def audit_folder(
    folder: Path,
    genesis: bytes,
    *,
    level: Literal["log", "full"] = "full",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """
    Audit the folder of a stopped node; `genesis`: the network's genesis file.

    `workers`: processes for signatures, default all cores, 0 none. Level `full` needs room in the
    temporary folder for a second state.
    Raises Problem FolderUnknown, FolderInUse, HistoryIncomplete (a copy restored from a snapshot
    that has not all blocks yet), and those of the genesis file; never for damage.
    """
    if not (folder / "journal").is_dir():
        raise Problem(
            Category.NOT_FOUND,
            "FolderUnknown",
            f"expected a node's folder with a journal, found none in {folder.name}",
        )
    read_genesis(genesis)
    read_start(folder).check_size(1)
    lock = FolderLock(folder)
    try:
        run = Run(folder, genesis, machine(), Report(level), progress)
        _audit(run, workers)
    finally:
        lock.release()
    return run.report


def _audit(run: Run, workers: int | None) -> None:
    report = run.report
    run.stated = read_notes(run.folder / "notes", report)
    run.journal = read_journal(run.folder / "journal", run.network, report)
    run.complete = run.journal.whole
    base = _base(run)
    if report.level == "full":
        run_full(run, base, workers)
    else:
        run_log(run, base, workers)
    for path in sorted(run.folder.iterdir()):
        if path.name not in CHECKED:
            report.skip(f"{path.name}: no part of the ledger, or made anew at will")


def _base(run: Run) -> Base | None:
    """Where the store stands; None if it cannot be compared, and why is told."""
    state = run.folder / "state"
    if not _is_made(state):
        run.report.skip(NO_STATE)
        return None
    try:
        with closing(StoreView(state)) as view:
            base = view.base()
            if base is None and next(view.items("state"), None) is None:
                run.report.skip(NO_STATE)
                return None
    except StoreDamaged as damage:
        found = f"{damage.__cause__ or damage}"
        run.report.add(Finding("state", "state/rocks", "a database that can be read", found))
        return None
    if base is None:
        run.report.add(Finding("state", "state/meta", "the height it stands at", "none"))
    elif base.height > run.journal.tip_height and run.journal.whole:
        expected, found = f"blocks up to {base.height}, the state's", f"{run.journal.tip_height}"
        run.report.add(Finding("journal", "journal", expected, found))
    return base


def _is_made(state: Path) -> bool:
    """Whether RocksDB ever finished making its files; a kill at the first start may prevent it."""
    return (state / "rocks" / "CURRENT").exists() or any(state.glob("rocks/*.sst"))
