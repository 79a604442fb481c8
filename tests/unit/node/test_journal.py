"""The journal on a real disk, with segments small enough to fill a few."""

import errno
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest

from salus.base.errors import Fault, Problem
from salus.base.hashing import ZERO32, domain_hash
from salus.node.journal import Damage, Journal
from salus.node.journal_format import PAYLOAD_BYTES_MAX
from salus.node.journal_repair import inspect
from salus.node.ports import RealDisk

NETWORK = b"\x11" * 32
SEGMENT_BYTES = 4096


class Ended(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def end(_reason: str) -> NoReturn:
    """End "the process" so that a test can look at what is left."""
    raise Ended


def open_journal(folder: Path, **options: object) -> Journal:
    """Open with small segments."""
    return Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, **options)  # type: ignore[arg-type]


def payload(height: int) -> bytes:
    """What these tests write at a height; none shrinks much."""
    return domain_hash("journal", height.to_bytes(8, "big")) * 2 + bytes([height % 256]) * 9


def append_all(journal: Journal, heights: range) -> None:
    """Append what belongs to those heights."""
    for height in heights:
        journal.append(height, payload(height))


def filled(folder: Path, heights: range) -> Journal:
    """A journal with those heights, still open."""
    journal = open_journal(folder)
    append_all(journal, heights)
    return journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a journal may be made, two levels of folders away."""
    return tmp_path / "node" / "journal"


def test_empty_journal_is_at_height_zero(folder: Path) -> None:
    """The chain begins with 32 zeros (`corrections.md` 25); the first spare is ready."""
    journal = open_journal(folder)

    assert (0, ZERO32) == (journal.tip_height, journal.chain)
    assert [] == list(journal.records())
    assert ["spare"] == [path.name for path in folder.iterdir()]
    with pytest.raises(KeyError):
        journal.read(1)


def test_what_was_appended_is_read_by_height_and_in_order(folder: Path) -> None:
    """Over several segments, before and after a start."""
    journal = filled(folder, range(1, 100))
    expected = [(height, payload(height)) for height in range(1, 100)]
    chain = ZERO32
    for _, data in expected:
        chain = domain_hash("journal", chain, data)

    for again in (journal, open_journal(folder)):
        assert (99, chain) == (again.tip_height, again.chain)
        assert expected == list(again.records())
        assert expected[60:] == list(again.records(after=60))
        assert [] == list(again.records(after=99))
        assert [data for _, data in expected] == [again.read(height) for height, _ in expected]
    assert len(list(folder.glob("*.seg"))) > 3


def test_every_segment_has_its_full_length_and_the_name_of_its_first_height(folder: Path) -> None:
    """16 digits, so that names sort like heights; one spare beside them."""
    filled(folder, range(7, 60))
    names = sorted(path.name for path in folder.glob("*.seg"))

    assert "0000000000000007.seg" == names[0]
    assert {SEGMENT_BYTES} == {path.stat().st_size for path in folder.iterdir()}
    assert (folder / "spare").read_bytes() == bytes(SEGMENT_BYTES)


def test_heights_may_skip_but_never_fall(folder: Path) -> None:
    """What is between two heights is absent; a height that is not above the tip is a bug."""
    journal = open_journal(folder)
    for height in (5, 9, 1000):
        journal.append(height, payload(height))

    assert [5, 9, 1000] == [height for height, _ in journal.records()]
    for absent in (0, 4, 6, 999, 1001):
        with pytest.raises(KeyError):
            journal.read(absent)
    for lower in (1000, 999, 0, -1):
        with pytest.raises(Fault, match="not above 1000"):
            journal.append(lower, b"")


def test_start_reads_only_the_newest_segment(folder: Path) -> None:
    """So that a start takes the same time at a thousand and at a million records."""
    filled(folder, range(1, 100)).close()
    disk = CountingDisk()
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk)
    opened = {path.name for path in disk.opened if path.suffix == ".seg"}

    assert {max(path.name for path in folder.glob("*.seg"))} == opened
    assert payload(1) == journal.read(1)


def test_read_by_height_reads_a_segment_whole_only_once(folder: Path) -> None:
    """The first read finds all offsets of its segment; the next take two small reads."""
    filled(folder, range(1, 100)).close()
    disk = CountingDisk()
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk)
    journal.read(1)
    disk.read_bytes = 0
    journal.read(2)

    assert disk.read_bytes < 300


class CountingDisk(RealDisk):
    """The real disk, and what was asked of it."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.opened: list[Path] = []
        self.read_bytes = 0

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> int:
        """Note the path."""
        self.opened.append(path)
        return super().open(path, write=write, create=create)

    def pread(self, file: int, size_bytes: int, at: int) -> bytes:
        """Note the bytes."""
        data = super().pread(file, size_bytes, at)
        self.read_bytes += len(data)
        return data


def test_records_seen_while_more_are_appended(folder: Path) -> None:
    """A follower that reads goes on to what was appended meanwhile, across segments."""
    journal = filled(folder, range(1, 3))
    seen = []
    for height, _ in journal.records():
        seen.append(height)
        if height < 80:
            journal.append(journal.tip_height + 1, payload(journal.tip_height + 1))

    assert list(range(1, journal.tip_height + 1)) == seen


def test_bounds_of_a_record(folder: Path) -> None:
    """An empty payload is lawful; one over 16 MiB or a segment is a bug, and changes nothing."""
    journal = open_journal(folder)
    journal.append(1, b"")
    before = (journal.tip_height, journal.chain)
    with pytest.raises(Fault, match="16 MiB"):
        journal.append(2, bytes(PAYLOAD_BYTES_MAX + 1))
    with pytest.raises(Fault, match="longer than a segment"):
        journal.append(2, Random(1).randbytes(SEGMENT_BYTES - 191))

    assert before == (journal.tip_height, journal.chain)
    assert b"" == journal.read(1)
    journal.append(2, payload(2))
    assert payload(2) == journal.read(2)


def test_record_that_just_fits_fills_the_segment(folder: Path) -> None:
    """The last byte of a segment can be used; the next record starts another."""
    journal = open_journal(folder)
    body = Random(1).randbytes(SEGMENT_BYTES - 128 - 64)
    journal.append(1, body)
    journal.append(2, payload(2))
    journal.close()
    again = open_journal(folder)

    assert 2 == len(list(folder.glob("*.seg")))
    assert [body, payload(2)] == [data for _, data in again.records()]


def test_a_journal_goes_on_with_the_length_its_files_state(folder: Path) -> None:
    """Another setting counts for a new journal alone; after a kill too nothing is damage."""
    first = filled(folder, range(1, 4))
    first.append(4, payload(4))
    del first  # as a killed process leaves it: no mark of a clean end
    other = Journal.open(folder, NETWORK, segment_bytes=4 * SEGMENT_BYTES)
    while len(list(folder.glob("*.seg"))) < 3:
        other.append(other.tip_height + 1, payload(other.tip_height + 1))
    other.close()
    sizes = {path.stat().st_size for path in folder.glob("*.seg")}

    assert {SEGMENT_BYTES} == sizes
    assert inspect(folder).damage is None


def test_a_file_that_was_cut_is_found_by_its_own_word(folder: Path) -> None:
    """No setting says how long it was: its header does."""
    filled(folder, range(1, 4)).close()
    (segment,) = folder.glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-512])
    damage = inspect(folder).damage

    assert damage is not None
    assert (str(SEGMENT_BYTES), str(SEGMENT_BYTES - 512)) == (
        damage.expected.removesuffix(" bytes"),
        damage.found,
    )


def test_another_networks_journal_is_not_opened(folder: Path) -> None:
    """A node started with the wrong folder says so, and touches nothing."""
    filled(folder, range(1, 3)).close()
    with pytest.raises(Problem, match=r"GenesisDiffers.*22222222.*found one of 11111111"):
        Journal.open(folder, b"\x22" * 32, segment_bytes=SEGMENT_BYTES)

    assert 2 == open_journal(folder).tip_height


def test_journal_behind_what_was_acknowledged_is_a_fault(folder: Path) -> None:
    """`must_hold` at the tip is well; above it something acknowledged is gone."""
    filled(folder, range(1, 5)).close()
    open_journal(folder, must_hold=4).close()
    with pytest.raises(Fault, match="height 5 was acknowledged, and the journal ends at 4"):
        open_journal(folder, must_hold=5)


def test_closed_journal_takes_nothing(folder: Path) -> None:
    """Closing twice is well; appending afterwards is a bug."""
    journal = filled(folder, range(1, 3))
    journal.close()
    journal.close()
    with pytest.raises(Fault, match="closed"):
        journal.append(3, b"")


def test_newest_segment_is_written_anew_after_an_unclean_end_only(folder: Path) -> None:
    """A page a failed sync left in memory must not pass for durable (`ledger.md` §5.4, 4)."""
    filled(folder, range(1, 5))
    path = folder / "0000000000000001.seg"
    inode, data = path.stat().st_ino, path.read_bytes()
    open_journal(folder).close()
    copied = path.stat().st_ino
    open_journal(folder).close()

    assert inode != copied
    assert copied == path.stat().st_ino
    assert data == path.read_bytes()


def test_begun_segment_without_record_is_removed(folder: Path) -> None:
    """A crash right after a segment was begun leaves a header alone; the next start forgets it."""
    journal = filled(folder, range(1, 30))
    journal.close()
    last = max(folder.glob("*.seg"))
    first_height = int(last.stem)
    last.write_bytes(last.read_bytes()[:128] + bytes(SEGMENT_BYTES - 128))
    (folder / "clean").unlink()

    again = open_journal(folder)

    assert first_height - 1 == again.tip_height
    assert not last.exists()
    again.append(first_height, payload(first_height))
    assert list(range(1, first_height + 1)) == [height for height, _ in again.records()]


class FullDisk(RealDisk):
    """A disk with room for so many more bytes of zeros."""

    room_bytes = 10**9

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """Write, or say that the disk is full."""
        if data == bytes(len(data)):
            if self.room_bytes < len(data):
                raise OSError(errno.ENOSPC, "full")
            self.room_bytes -= len(data)
        super().pwrite(file, data, at)


def test_full_disk_is_told_before_an_append_needs_the_room(folder: Path) -> None:
    """The newest segment goes on; the next one is refused without a change; room heals it."""
    disk = FullDisk()
    disk.room_bytes = SEGMENT_BYTES
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk, die=end)
    journal.append(1, payload(1))
    full = [journal.storage_full]
    with pytest.raises(Problem, match="StorageFull"):
        append_all(journal, range(2, 99))
    tip = journal.tip_height
    full.append(journal.storage_full)

    disk.room_bytes = 10**9
    journal.prepare_spare()
    full.append(journal.storage_full)
    journal.append(tip + 1, payload(tip + 1))

    assert [True, True, False] == full
    assert list(range(1, tip + 2)) == [height for height, _ in journal.records()]


class FilelessDisk(RealDisk):
    """A disk on which no further file can be made once asked to."""

    refuses = False

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> int:
        """Open, but make nothing."""
        if self.refuses and create:
            raise OSError(errno.EMFILE, "too many files")
        return super().open(path, write=write, create=create)


def test_record_is_durable_though_the_next_spare_cannot_be_made(folder: Path) -> None:
    """What follows a synced record must not make its append look failed."""
    disk = FilelessDisk()
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk, die=end)
    disk.refuses = True
    journal.append(1, payload(1))
    full = journal.storage_full
    disk.refuses = False
    journal.prepare_spare()

    assert (True, False, 1) == (full, journal.storage_full, journal.tip_height)


def test_first_start_on_a_full_disk_is_refused(folder: Path) -> None:
    """No journal is begun where its first segment has no room."""
    disk = FullDisk()
    disk.room_bytes = 0
    with pytest.raises(Problem, match="StorageFull"):
        Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk, die=end)


def test_missing_segment_is_damage_not_absence(folder: Path) -> None:
    """A deleted file in the middle is found by its neighbour's chain, whoever asks."""
    filled(folder, range(1, 100)).close()
    sorted(folder.glob("*.seg"))[1].unlink()
    journal = open_journal(folder)

    with pytest.raises(Damage, match="a segment is missing"):
        list(journal.records())
    with pytest.raises(Damage, match="a segment is missing"):
        journal.read(40)


class FailingDisk(RealDisk):
    """A disk on which one kind of call fails once asked to, and that counts what comes after."""

    fails = ""
    calls_after = 0

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """Write, or fail."""
        self._maybe("pwrite")
        super().pwrite(file, data, at)

    def fdatasync(self, file: int) -> None:
        """Sync, or fail."""
        self._maybe("fdatasync")
        super().fdatasync(file)

    def sync_folder(self, folder: Path) -> None:
        """Sync, or fail."""
        self._maybe("sync_folder")
        super().sync_folder(folder)

    def _maybe(self, call: str) -> None:
        if self.fails == "done":
            self.calls_after += 1
        if self.fails == call:
            self.fails = "done"
            raise OSError(errno.EIO, "failed")


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "sync_folder"])
def test_after_a_failed_call_nothing_is_written_or_synced_again(folder: Path, call: str) -> None:
    """The process is told to end; even if it did not, the journal would do no more."""
    disk = FailingDisk()
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES, disk=disk, die=end)
    journal.append(1, payload(1))
    disk.fails = call
    with pytest.raises(Ended):
        append_all(journal, range(2, 99))
    tip = journal.tip_height
    with pytest.raises(Fault, match="failed before"):
        journal.append(99, payload(99))
    journal.close()

    assert 0 == disk.calls_after
    assert not (folder / "clean").exists()
    assert open_journal(folder, must_hold=tip).tip_height in (tip, tip + 1)
