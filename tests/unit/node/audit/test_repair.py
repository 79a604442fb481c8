"""Repair says first, removes only what can be made again, and believes no other member."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.errors import Fault, Problem
from salus.machine.genesis import network_id
from salus.node.audit.audit import audit_folder
from salus.node.journal import Journal
from salus.node.record import read_record
from salus.node.repair import repair
from tests.campaign.node_folder import NodeFolder, open_ledger
from tests.campaign.served import served_of

DERIVED = ("state", "log", "vault/index.sqlite", "witness/index.sqlite", "witness/tree")


def invert(path: Path, at: int) -> None:
    """Damage one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def last_record(folder: NodeFolder) -> int:
    """Offset inside the journal's last record, which a flip there damages."""
    data = (folder.path / "journal" / "0000000000000001.seg").read_bytes()
    return data.rfind(b"REC1") + 200


def findings(folder: NodeFolder) -> list[str]:
    """What an audit says."""
    report = audit_folder(folder.path, folder.genesis, workers=0)
    return [str(one) for one in report.findings]


def test_sound_folder_needs_no_step(sound: NodeFolder) -> None:
    """Nothing to do, nothing lost."""
    plan = repair(sound.path, sound.genesis, workers=0)

    assert ([], [], [], False) == (plan.steps, plan.lost, plan.left, plan.done)


def test_dry_run_changes_nothing(folder: NodeFolder) -> None:
    """What is said is not done."""
    invert(folder.path / "journal" / "0000000000000001.seg", last_record(folder))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    plan = repair(folder.path, folder.genesis, workers=0)

    assert before == {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert plan.steps
    assert plan.lost


@pytest.mark.parametrize("part", ["state/heap", "log/00.hash", "log/synced"])
def test_derived_files_are_made_again(sound: NodeFolder, folder: NodeFolder, part: str) -> None:
    """After it the audit is content, and all answers are as before."""
    invert(folder.path / part, 21)
    plan = repair(folder.path, folder.genesis, dry_run=False, workers=0)

    assert ([], []) == (plan.lost, plan.left)
    assert [] == findings(folder)
    assert served_of(sound) == served_of(folder)


def test_everything_derived_is_made_again_at_once(sound: NodeFolder, folder: NodeFolder) -> None:
    """State, log files and the log's note damaged together."""
    for table in (folder.path / "state" / "rocks").glob("*.sst"):
        invert(table, 100)
    invert(folder.path / "log" / "01.hash", 7)
    plan = repair(folder.path, folder.genesis, dry_run=False, workers=0)

    assert plan.done
    assert [] == findings(folder)
    assert served_of(sound)["rows"] == served_of(folder)["rows"]


def test_damaged_journal_is_cut_and_says_what_is_lost(folder: NodeFolder) -> None:
    """Without another copy the last block is gone; it is set aside, and the notes tell of it."""
    invert(folder.path / "journal" / "0000000000000001.seg", last_record(folder))
    with closing(open_ledger(folder, _sound_copy(folder))) as ledger:
        height = ledger.tip.height
    plan = repair(folder.path, folder.genesis, dry_run=False, workers=0)

    assert height - 1 == plan.tip_height
    assert plan.lost
    assert list((folder.path / "journal").glob("*.lost"))
    assert ["notes/checkpoint", "notes/cosigned"] == [
        one.split("/salus")[0].split(":")[0] for one in findings(folder)
    ]


def _sound_copy(folder: NodeFolder) -> Path:
    """A copy whose last record is whole again."""
    copy = folder.path.with_name("whole")
    shutil.copytree(folder.path, copy)
    invert(copy / "journal" / "0000000000000001.seg", last_record(folder))
    return copy


def test_journal_is_taken_from_another_member(
    sound: NodeFolder, folder: NodeFolder, tmp_path: Path
) -> None:
    """With a source nothing is lost: each of its blocks is executed and compared."""
    shutil.copytree(sound.path, tmp_path / "other")
    invert(folder.path / "journal" / "0000000000000001.seg", 3_000)
    plan = repair(
        folder.path,
        folder.genesis,
        dry_run=False,
        source=tmp_path / "other",
        workers=0,
    )

    assert ([], []) == (plan.lost, plan.left)
    assert [] == findings(folder)
    assert served_of(sound) == served_of(folder)


def _other_journal(folder: NodeFolder, height: int, name: str) -> Path:
    """Another member's folder in which one value of one record is changed, CRCs and chain right."""
    path = folder.path.with_name("other")
    network = network_id(folder.genesis)
    source = Journal.open(folder.path / "journal", network, segment_bytes=folder.segment_bytes)
    other = Journal.open(path / "journal", network, segment_bytes=folder.segment_bytes)
    for at, payload in source.records():
        data = payload
        if at == height:
            record = read_record(payload)
            wrong = {"app": bytes(32), "time_ms": record.time_ms + 1}[name]
            data = codec.encode(replace(record, **{name: wrong}))
        other.append(at, data)
    source.close()
    other.close()
    return path


def test_lying_source_is_not_believed(folder: NodeFolder) -> None:
    """A block that is not what executing it gives is refused by its height."""
    other = _other_journal(folder, 9, "app")
    invert(folder.path / "journal" / "0000000000000001.seg", 3_000)
    with pytest.raises(Fault, match="block 9 of the source"):
        repair(
            folder.path,
            folder.genesis,
            dry_run=False,
            source=other,
            workers=0,
        )


def test_source_of_another_history_is_refused_before_anything_is_done(folder: NodeFolder) -> None:
    """A journal that does not begin with this one's sound part is another ledger's."""
    other = _other_journal(folder, 2, "time_ms")
    before = (folder.path / "journal" / "0000000000000001.seg").read_bytes()
    with pytest.raises(Problem, match="HistoriesDiffer"):
        repair(
            folder.path,
            folder.genesis,
            dry_run=False,
            source=other,
            workers=0,
        )

    assert before == (folder.path / "journal" / "0000000000000001.seg").read_bytes()


def test_what_repair_cannot_end_is_told(folder: NodeFolder) -> None:
    """A damaged container is the vault's to fetch: it stays in the list with its remedy."""
    container = min((folder.path / "vault" / "batches").glob("*.salus"))
    invert(container, 700)
    plan = repair(folder.path, folder.genesis, dry_run=False, workers=0)

    assert "fetches sound copies" in plan.left[0].remedy
    assert container.exists()


def test_indexes_and_trees_are_made_again(sound: NodeFolder, folder: NodeFolder) -> None:
    """What lies beside containers and release log comes back with the next start."""
    for name in ("vault/index.sqlite", "witness/index.sqlite"):
        invert(folder.path / name, 20)
    invert(folder.path / "witness" / "tree" / "00.hash", 33)
    plan = repair(folder.path, folder.genesis, dry_run=False, workers=0)

    assert [True, True, True] == [
        name.split(":")[0] in " ".join(plan.steps) for name in DERIVED[2:]
    ]
    assert not (folder.path / "vault" / "index.sqlite").exists()
    assert served_of(sound)["releases"] == served_of(folder)["releases"]
