"""
Repair: makes a stopped member's folder whole from its journal, or the journal from another's.

An audit says what differs. What the journal can give again (state, log files, indexes) is removed
and made anew; a damaged journal is cut back to its last sound record, or filled up from another
member's folder, each record of it executed, its signatures checked, and compared. Nothing that
cannot be made again is deleted: it is set aside. Without `dry_run=False` it only says what it would
do and what would be lost.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from salus.base.errors import Category, Fault, Problem
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.node import journal_repair
from salus.node.audit.audit import audit_folder
from salus.node.audit.report import Finding, Report
from salus.node.audit.segments import read_journal
from salus.node.folder_lock import FolderLock
from salus.node.journal_repair import Inspection
from salus.node.journal_segment import Damage
from salus.node.journal_spare import SPARE
from salus.node.ledger import Ledger
from salus.node.record import BlockRecord, read_record

INDEXES = {
    "vault/index.sqlite": "vault/index.sqlite*",
    "witness/index.sqlite": "witness/index.sqlite*",
}
"""Place of a finding -> files that a start makes again from containers, log and ledger."""

TREE = "witness/tree"
"""Made again from the release log."""


@dataclass
class Plan:
    """What a repair would do, or did."""

    steps: list[str] = field(default_factory=list)
    """In their order."""

    lost: list[str] = field(default_factory=list)
    """What no step brings back, and where it may still be."""

    left: list[Finding] = field(default_factory=list)
    """Findings that this repair does not end; each names its remedy."""

    done: bool = False
    """Whether it was done; then `tip_height` is the newest block."""

    tip_height: int = 0


def repair(
    folder: Path,
    genesis: bytes,
    *,
    dry_run: bool = True,
    source: Path | None = None,
    workers: int | None = None,
) -> Plan:
    """
    Plan the repair of a stopped node's folder, and do it unless `dry_run`.

    `source`: the folder of another member's stopped node, or its archive: the journal is taken from
    there as far as the own one is damaged or too short. `workers`: see `audit_folder`. Raises
    Problem FolderUnknown, FolderInUse, HistoriesDiffer, and Fault: a record of the source is not
    what executing it gives.
    """
    report = audit_folder(folder, genesis, workers=workers)
    found = journal_repair.inspect(folder / "journal")
    plan = Plan()
    places = {finding.place for finding in report.findings}
    areas = {finding.area for finding in report.findings}
    if source is not None:
        _check_same_history(source, genesis, found)
    _plan_journal(plan, report, found, source)
    doomed = list(_doomed(folder, plan, areas, places))
    plan.left = [one for one in report.findings if not _is_ended(one, doomed, folder, source)]
    if not dry_run:
        lock = FolderLock(folder)
        try:
            _remove(folder, doomed, cut=found.damage is not None)
        finally:
            lock.release()
        plan.tip_height = _replay(folder, genesis, source)
        plan.done = True
    return plan


def _plan_journal(plan: Plan, report: Report, found: Inspection, source: Path | None) -> None:
    """Say what becomes of the journal, and what is lost with it."""
    if found.damage is not None:
        plan.steps.append(
            f"journal: keep the {found.records} sound records up to height {found.tip_height},"
            f" set aside what follows ({found.damage.segment})"
        )
        if source is None and found.lost_heights is not None:
            low, high = found.lost_heights
            plan.lost.append(
                f"{found.lost_records} blocks of heights {low} to {high}, readable but behind the"
                " damage: another member's folder has them (`--from`)"
            )
        elif source is None:
            plan.lost.append("whatever the damaged record held, if it was ever acknowledged")
    signed = [one for one in report.findings if one.area == "journal" and "notes/" in one.place]
    if signed and source is None:
        plan.lost.append(
            "blocks that this member signed for and the journal does not hold: take them from"
            " another member's folder (`--from`)"
        )
    if source is not None:
        plan.steps.append(f"journal: add what {source.name} holds above it, each block executed")


def _doomed(folder: Path, plan: Plan, areas: set[str], places: set[str]) -> Iterator[Path]:
    """What is removed, each with its step in the plan."""
    journal_cut = any(step.startswith("journal: keep") for step in plan.steps)
    if journal_cut or "state" in areas:
        plan.steps.append("state: remove it, replay it from the journal")
        yield folder / "state"
    if journal_cut or areas & {"log", "state"}:
        plan.steps.append("log files: remove them, fill them again from the journal")
        yield folder / "log"
    for place, pattern in INDEXES.items():
        if place in places:
            plan.steps.append(f"{place}: remove it, the next start makes it again")
            yield from folder.glob(pattern)
    if any(place.startswith(TREE) for place in places):
        plan.steps.append(f"{TREE}: remove it, the next start makes it again")
        yield folder / TREE
    if "notes/checkpoint" in places:
        plan.steps.append("notes/checkpoint: remove it, the next proof makes a new one")
        yield folder / "notes" / "checkpoint"
    if f"journal/{SPARE}" in places:
        plan.steps.append("journal/spare: remove it, the next start makes a blank one")
        yield folder / "journal" / SPARE


def _is_ended(finding: Finding, doomed: Sequence[Path], folder: Path, source: Path | None) -> bool:
    """Whether the plan's steps end a finding."""
    if finding.area == "journal":
        return source is not None or not finding.place.startswith("notes/")
    return any(
        finding.place.startswith(str(path.relative_to(folder)).removesuffix(".sqlite"))
        for path in doomed
    )


def _check_same_history(source: Path, genesis: bytes, found: Inspection) -> None:
    """Check that the source's journal begins with the sound part of the own one."""
    chain = next(
        (value for height, value in _chains(source, genesis) if height == found.tip_height), None
    )
    if found.records and chain != found.chain:
        raise Problem(
            Category.CONFLICT,
            "HistoriesDiffer",
            f"expected the source to hold this journal's block {found.tip_height}, found "
            f"{'none' if chain is None else 'another'}; keep both folders and audit each",
        )


def _chains(source: Path, genesis: bytes) -> Iterator[tuple[int, bytes]]:
    """Height and chain value of each of the source's records."""
    journal = read_journal(source / "journal", network_id(genesis), Report("log"))
    for span in journal.spans:
        yield from span.chains()


def _remove(folder: Path, doomed: Sequence[Path], *, cut: bool) -> None:
    for path in doomed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if cut:
        journal_repair.repair(folder / "journal", act=True)


def _replay(folder: Path, genesis: bytes, source: Path | None) -> int:
    """Open the ledger, which replays it, and add the source's blocks; gives the tip's height."""
    with closing(Ledger.open(folder, machine(), genesis)) as ledger:
        for record in () if source is None else _records(source, genesis):
            if record.height > ledger.tip.height:
                _add(ledger, record)
        return ledger.tip.height


def _records(source: Path, genesis: bytes) -> Iterator[BlockRecord]:
    """The source's records up to its own first damage."""
    journal = read_journal(source / "journal", network_id(genesis), Report("log"))
    for span in journal.spans:
        try:
            for _, payload in span.payloads():
                yield read_record(payload)
        except Damage:
            return


def _add(ledger: Ledger, record: BlockRecord) -> None:
    """Execute a block with all its signatures, compare, and keep it."""
    executed = ledger.execute(record.block)
    if executed.sealed.app_hash != record.app:
        raise Fault(
            f"block {record.height} of the source: expected app hash {record.app.hex()}, found "
            f"{executed.sealed.app_hash.hex()}; take the journal from another member"
        )
    ledger.commit(executed)
