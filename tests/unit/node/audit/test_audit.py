"""The audit finds what differs, says where, changes nothing and leaves nothing out unsaid."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from rocksdict import Options, Rdict

from salus.base import codec
from salus.base.errors import Problem
from salus.machine.genesis import network_id
from salus.node.audit.audit import audit_folder
from salus.node.audit.report import REMEDIES, Report
from salus.node.folder_lock import FolderLock
from salus.node.journal import Journal
from salus.node.record import BlockRecord, read_record
from salus.state.disk import Disk
from tests.campaign.node_folder import NodeFolder, open_ledger

Level = Literal["log", "full"]


def audit(folder: NodeFolder, level: Level = "full", workers: int = 0) -> Report:
    """Audit it."""
    return audit_folder(
        folder.path,
        folder.genesis,
        level=level,
        workers=workers,
    )


def contents(folder: NodeFolder) -> dict[str, bytes]:
    """Every file's bytes, by path."""
    return {str(path): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("level", ["log", "full"])
def test_sound_folder_has_no_findings(sound: NodeFolder, level: Level) -> None:
    """What the real parts wrote is sound, and every transaction was looked at."""
    report = audit(sound, level)

    assert [] == report.findings
    assert report.sound
    assert report.counts["transactions"] == report.counts["signatures"] > 60
    assert report.counts["blocks"] == report.counts["journal.records"]


def test_every_area_is_looked_at(sound: NodeFolder) -> None:
    """At level full nothing is skipped, and each area counts what it read."""
    report = audit(sound)
    counted = {name.split(".")[0] for name, count in report.counts.items() if count}

    assert [] == report.skipped
    assert {"journal", "log", "notes", "state", "vault", "witness"} <= counted
    assert report.counts["vault.containers"] == report.counts["vault.should_hold"] == 3
    assert report.counts["witness.entries"] == 6


def test_level_log_says_what_it_leaves_out(sound: NodeFolder) -> None:
    """The quick level names the slow one for the rest."""
    assert ["blocks, state, vault and witness: level full reads them"] == audit(
        sound, "log"
    ).skipped


def test_audit_does_not_read_the_databases_notes_of_their_settings(folder: NodeFolder) -> None:
    """A flipped bit in an OPTIONS file, which rocksdict dies of when it reads it, is no finding."""
    found = list(folder.path.rglob("OPTIONS-*"))
    for path in found:
        path.write_bytes(path.read_bytes().replace(b"[TableOptions/B", b"[TableOptions/C"))

    assert [] == audit(folder).findings
    assert {"rocks", "shares"} == {path.parent.name for path in found}


def test_audit_changes_nothing(folder: NodeFolder) -> None:
    """Not one byte, and no file more or less."""
    before = contents(folder)
    audit(folder)

    assert before == contents(folder)


def test_workers_find_the_same(sound: NodeFolder) -> None:
    """Two processes and none give equal counts."""
    assert audit(sound, "log", workers=2).counts == audit(sound, "log").counts


def test_progress_is_told(sound: NodeFolder) -> None:
    """Each step ends at its total."""
    told: dict[str, tuple[int, int]] = {}

    def note(step: str, done: int, total: int) -> None:
        told[step] = (done, total)

    audit_folder(sound.path, sound.genesis, workers=0, progress=note)

    assert {"blocks", "log", "state", "vault"} == set(told)
    assert all(done == total for done, total in told.values())


def test_running_node_is_refused(folder: NodeFolder) -> None:
    """A folder in use is not audited."""
    lock = FolderLock(folder.path)
    with pytest.raises(Problem, match="FolderInUse"):
        audit(folder)
    lock.release()


def test_folder_without_a_journal_is_refused(folder: NodeFolder, tmp_path: Path) -> None:
    """Nothing is made in a folder that is none of a node."""
    with pytest.raises(Problem, match="FolderUnknown"):
        audit(folder._replace(path=tmp_path))

    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("level", ["log", "full"])
def test_folder_after_a_kill_is_sound(folder: NodeFolder, level: Level) -> None:
    """Blocks above the store's base are executed: an unclean end is no damage."""
    shutil.rmtree(folder.path / "state")
    _kill_after_start(folder)
    report = audit(folder, level)

    assert [] == report.findings
    assert report.counts["blocks"] == report.counts["journal.records"]


def _kill_after_start(folder: NodeFolder) -> None:
    """Leave the folder as a process does that was killed: the base at the genesis."""
    live = folder._replace(path=folder.path.with_name("live"))
    shutil.copytree(folder.path, live.path)
    with closing(open_ledger(live)):
        shutil.rmtree(folder.path)
        shutil.copytree(live.path, folder.path)


def test_log_without_its_synced_note_is_sound(folder: NodeFolder) -> None:
    """A node killed before its first sync has none: the files vouch for nothing, and are filled."""
    (folder.path / "log" / "synced").unlink()
    report = audit(folder)

    assert [] == report.findings
    assert 0 == report.counts["log.synced"]


def test_origin_that_names_no_member_is_a_finding(folder: NodeFolder) -> None:
    """A flipped bit in a checkpoint's origin makes it no hexadecimal: told, never a crash."""
    path = folder.path / "notes" / "checkpoint"
    text = path.read_text()
    origin = text.partition("\n")[0]
    path.write_text(text.replace(origin, f"{origin[:-1]}g", 1))
    report = audit(folder)

    assert "notes" in {finding.area for finding in report.findings}


def test_missing_state_is_told(folder: NodeFolder) -> None:
    """A start makes it anew, so it is no finding, but it is not passed over in silence."""
    shutil.rmtree(folder.path / "state")
    report = audit(folder)

    assert report.sound
    assert ["state: there is none; a start replays it from the journal"] == report.skipped


def _truncate(name: str) -> Callable[[NodeFolder], None]:
    def damage(folder: NodeFolder) -> None:
        path = folder.path / name
        path.write_bytes(path.read_bytes()[:-1])

    return damage


def _remove(pattern: str) -> Callable[[NodeFolder], None]:
    def damage(folder: NodeFolder) -> None:
        max(folder.path.glob(pattern)).unlink()

    return damage


def _invert(pattern: str, at: int) -> Callable[[NodeFolder], None]:
    def damage(folder: NodeFolder) -> None:
        path = min(folder.path.glob(pattern))
        data = bytearray(path.read_bytes())
        data[at] ^= 0xFF
        path.write_bytes(data)

    return damage


def _sql(name: str, statement: str) -> Callable[[NodeFolder], None]:
    def damage(folder: NodeFolder) -> None:
        with closing(sqlite3.connect(folder.path / name)) as db, db:
            db.execute(statement)

    return damage


def _store(family: str, change: Callable[[bytes], bytes | None]) -> Callable[[NodeFolder], None]:
    """Change the first row of a column family through RocksDB itself: its checksums are right."""

    def damage(folder: NodeFolder) -> None:
        disk = Disk(folder.path / "state")
        table = disk._families[family]
        key, value = next(iter(table.items()))
        new = change(bytes(value))
        if new is None:
            table.delete(key)
        else:
            table.put(key, new)
        disk.close()

    return damage


def _share(kind: bytes) -> Callable[[NodeFolder], None]:
    """Take the first row of a kind out of the share store, through RocksDB itself."""

    def damage(folder: NodeFolder) -> None:
        with closing(Rdict(str(folder.path / "witness" / "shares"), Options(raw_mode=True))) as db:
            del db[next(bytes(key) for key, _ in db.items() if bytes(key).startswith(kind))]

    return damage


def _hide_a_file(folder: NodeFolder) -> None:
    """Flip the bit after which RocksDB opens a list of its files without one, in silence."""
    path = min((folder.path / "witness" / "shares").glob("MANIFEST-*"))
    data = bytearray(path.read_bytes())
    data[121] ^= 1 << 4
    path.write_bytes(data)


def _invert_last(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


DAMAGES: dict[str, tuple[Callable[[NodeFolder], None], str, str]] = {
    "a record's payload": (_invert("journal/*.seg", 5_000), "journal", "journal/0"),
    "a segment's header": (_invert("journal/*.seg", 9), "journal", "journal/0"),
    "the blank end of a segment": (_invert("journal/*.seg", 65_000), "journal", "journal/"),
    "the mark of a clean end": (_invert("journal/clean", 3), "journal", "journal/clean"),
    "the spare": (_invert("journal/spare", 99), "journal", "journal/spare"),
    "a shortened segment": (_truncate("journal/0000000000000001.seg"), "journal", "journal/0"),
    "a leaf of the log": (_invert("log/00.hash", 320), "log", "log/00.hash"),
    "a node of the log": (_invert("log/03.hash", 40), "log", "log/03.hash"),
    "a level of the log": (_remove("log/02.hash"), "log", "log/02.hash"),
    "the log's note": (_invert("log/synced", 2), "log", "log/synced"),
    "the checkpoint's signature": (_invert("notes/checkpoint", 260), "notes", "notes/checkpoint"),
    "what was cosigned": (_invert("notes/cosigned/*.seen", 20), "notes", "notes/cosigned"),
    "the current manifest's name": (_remove("state/rocks/CURRENT"), "state", "state/rocks"),
    "a table file": (_invert("state/rocks/*.sst", 400), "state", "state/"),
    "a table file that is gone": (_remove("state/rocks/*.sst"), "state", "state/"),
    "the heap": (_invert("state/heap", 9_000), "state", "state/heap"),
    "a row": (_store("state", _invert_last), "state", "state/state"),
    "a row that is gone": (_store("state", lambda _value: None), "state", "state/state"),
    "a bucket": (_store("buckets", _invert_last), "state", "state/buckets"),
    "a block's receipts": (_store("receipts", _invert_last), "state", "state/receipts"),
    "an index row": (_store("index", _invert_last), "state", "state/index"),
    "the base's note": (_store("meta", _invert_last), "state", "state/meta"),
    "a container": (_invert("vault/batches/*.salus", 900), "vault", "vault/batches"),
    "a container that is gone": (_remove("vault/batches/*.salus"), "vault", "vault/batches"),
    "the vault's index": (_invert("vault/index.sqlite", 30), "vault", "vault/index"),
    "a batch's height": (_sql("vault/index.sqlite", "update batch set height = 3"), "vault",
        "vault/index"),
    "a group's tag": (_sql("vault/index.sqlite", "delete from grp where number = 0"), "vault",
        "vault/index"),
    "the papers' schema": (_invert("vault/papers.sqlite", 3_767), "vault", "vault/papers"),
    "a package": (_sql("vault/papers.sqlite", "update package set sealed = x'00'"), "vault",
        "vault/papers"),
    "a sheet": (_sql("vault/papers.sqlite", "update sheet set sheet = x'00'"), "vault",
        "vault/papers"),
    "a released line": (_invert("witness/releases.log", 500), "witness", "witness/releases"),
    "the release log's tree": (_invert("witness/tree/00.hash", 70), "witness", "witness/tree"),
    "a line's place": (_sql("witness/index.sqlite", "update entry set offset = 0"), "witness",
        "witness/index"),
    "a session": (_sql("witness/index.sqlite", "delete from session"), "witness",
        "witness/index"),
    "the shares": (_invert("witness/shares/*.sst", 300), "witness", "witness/shares"),
    "a batch's shares": (_share(b"b"), "witness", "witness/shares"),
    "a share": (_share(b"s"), "witness", "witness/shares"),
    "the shares' list of files": (_hide_a_file, "witness", "witness/shares"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "area", "place"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_where_it_is(
    folder: NodeFolder, damage: Callable[[NodeFolder], None], area: str, place: str
) -> None:
    """Each kind of damage alone: found in its area, at its place, and never a crash."""
    damage(folder)
    report = audit(folder)

    assert not report.sound
    first = report.findings[0]
    assert area == first.area
    assert first.place.startswith(place), str(first)
    assert REMEDIES[area] == first.remedy


def _rewrite(folder: NodeFolder, height: int, change: Callable[[BlockRecord], BlockRecord]) -> None:
    """Write the journal anew with one record changed: its CRCs and its chain are right."""
    network = network_id(folder.genesis)
    path = folder.path / "journal"
    old = Journal.open(path, network, segment_bytes=folder.segment_bytes)
    records = list(old.records())
    old.close()
    shutil.rmtree(path)
    new = Journal.open(path, network, segment_bytes=folder.segment_bytes)
    for at, payload in records:
        data = codec.encode(change(read_record(payload))) if at == height else payload
        new.append(at, data)
    new.close()


def _forge_signature(record: BlockRecord) -> BlockRecord:
    """The first transaction with another signature."""
    forged = bytearray(record.txs[0])
    forged[-1] ^= 1
    return replace(record, txs=[bytes(forged), *record.txs[1:]])


@pytest.mark.parametrize("level", ["log", "full"])
def test_forged_signature_in_a_whole_journal(folder: NodeFolder, level: Level) -> None:
    """Who rewrites the journal can make CRCs and chain, but no member's signature."""
    _rewrite(folder, 4, _forge_signature)
    report = audit(folder, level)
    forged = [one for one in report.findings if one.area == "signatures"]

    assert [(4, 0)] == [(one.height, one.position) for one in forged]


@pytest.mark.parametrize("level", ["log", "full"])
@pytest.mark.parametrize("name", ["app", "log_root", "state", "log_size", "time_ms"])
def test_changed_record_in_a_whole_journal(folder: NodeFolder, level: Level, name: str) -> None:
    """Each value of a record is held to the log it leads to."""

    def change(record: BlockRecord) -> BlockRecord:
        old = getattr(record, name)
        new = old + 1 if isinstance(old, int) else bytes(32)
        return replace(record, **{name: new})

    _rewrite(folder, 4, change)
    heights = {one.height for one in audit(folder, level).findings if one.area == "blocks"}

    assert 4 in heights


@pytest.mark.parametrize("level", ["log", "full"])
def test_dropped_last_block_is_missed(folder: NodeFolder, level: Level) -> None:
    """A journal rewritten without its newest block ends before the state and the notes."""
    network = network_id(folder.genesis)
    path = folder.path / "journal"
    old = Journal.open(path, network, segment_bytes=folder.segment_bytes)
    records = list(old.records())[:-1]
    old.close()
    shutil.rmtree(path)
    new = Journal.open(path, network, segment_bytes=folder.segment_bytes)
    for height, payload in records:
        new.append(height, payload)
    new.close()
    places = {(one.area, one.place) for one in audit(folder, level).findings}

    assert {("journal", "journal"), ("journal", "notes/checkpoint")} <= places
