"""Every byte of a journal flipped, and every length cut: found, or nothing that was served."""

import shutil
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from salus.base.errors import Fault
from salus.base.hashing import domain_hash
from salus.node.journal import Damage, Journal, inspect, repair
from salus.node.journal_format import SegmentHeader, encode_record, encode_segment_header
from salus.node.journal_segment import segment_name
from salus.node.ports import RealDisk

NETWORK = b"\x11" * 32
SEGMENT_BYTES = 1024
HEIGHTS = range(1, 9)


def payload(height: int) -> bytes:
    """Between 90 and 170 bytes that do not shrink."""
    return Random(height).randbytes(80 + 10 * height)


WRITTEN = [(height, payload(height)) for height in HEIGHTS]


def open_journal(folder: Path, must_hold: int = 0) -> Journal:
    """Open with small segments."""
    return Journal.open(
        folder, NETWORK, segment_bytes=SEGMENT_BYTES, must_hold=must_hold, disk=HastyDisk()
    )


class HastyDisk(RealDisk):
    """The real disk without its syncs: no power fails here, and there are thousands."""

    def fdatasync(self, file: int) -> None:
        """Leave it to the system."""

    def sync_folder(self, folder: Path) -> None:
        """Leave it to the system."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of two segments whose node was killed."""
    folder = tmp_path / "journal"
    journal = open_journal(folder)
    for height, data in WRITTEN:
        journal.append(height, data)
    return folder


def segments(folder: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(folder.glob("*.seg"))


def used_bytes(path: Path) -> int:
    """Length up to the last byte that is not zero."""
    return len(path.read_bytes().rstrip(b"\0"))


def flip(path: Path, at: int, mask: int = 0x20) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


def served(folder: Path, must_hold: int = 0) -> list[tuple[int, bytes]] | None:
    """All records as a reader gets them, one by one and in a row; None for a fault."""
    try:
        with closing(open_journal(folder, must_hold)) as journal:
            rows = list(journal.records())
            assert rows == [(height, journal.read(height)) for height, _ in rows]
            return rows
    except Fault:
        return None


@pytest.mark.parametrize("clean", [False, True], ids=["killed", "closed"])
def test_flip_of_any_byte_is_found_or_changes_nothing(folder: Path, clean: bool) -> None:  # noqa: FBT001 (a case)
    """No acknowledged record is lost or altered unseen, the last one no more than any other."""
    if clean:
        open_journal(folder).close()
    found = 0
    for path in segments(folder):
        for at in range(SEGMENT_BYTES):
            copy = folder.parent / "copy"
            shutil.copytree(folder, copy)
            flip(copy / path.name, at, 1 << at % 8)
            rows = served(copy)
            shutil.rmtree(copy)
            assert rows in (None, WRITTEN), f"{path.name} at {at}"
            found += rows is None

    used = sum(used_bytes(path) for path in segments(folder))
    assert found >= used


def test_cut_at_any_byte_is_found(folder: Path) -> None:
    """A segment has its full length from the day it is made, so a shorter one is damage."""
    for path in segments(folder):
        good = path.read_bytes()
        for length in range(SEGMENT_BYTES):
            path.write_bytes(good[:length])
            assert served(folder) is None, f"{path.name} cut to {length}"
        path.write_bytes(good)


def test_torn_last_record_is_dropped_unless_it_was_acknowledged(folder: Path) -> None:
    """A sector of zeros: never written, so never acknowledged; but a note says otherwise."""
    path = segments(folder)[-1]
    data = bytearray(path.read_bytes())
    data[512:] = bytes(512)
    path.write_bytes(data)

    assert served(folder, must_hold=8) is None
    kept = served(folder, must_hold=0)
    assert kept is not None
    assert WRITTEN[: len(kept)] == kept
    assert 1 <= len(WRITTEN) - len(kept)


def test_torn_record_is_gone_from_the_file_after_a_start(tmp_path: Path) -> None:
    """Its bytes are not left behind the end, where they would pass for damage one day."""
    journal = open_journal(tmp_path)
    journal.append(1, payload(1))
    path = segments(tmp_path)[0]
    data = path.read_bytes()
    path.write_bytes(data[:512] + b"leftover" + data[520:])
    open_journal(tmp_path)

    assert data == path.read_bytes()


def test_bad_record_before_a_good_one_is_damage(folder: Path) -> None:
    """Even with a blank sector: what stands before a synced record was synced."""
    path = segments(folder)[0]
    data = bytearray(path.read_bytes())
    second = data.find(b"REC1", 136)
    data[second : second + 4] = bytes(4)
    path.write_bytes(data)
    for other in segments(folder)[1:]:
        other.unlink()

    with pytest.raises(Damage, match=f"at {second}: expected a record's magic REC1"):
        open_journal(folder)


def test_copy_of_an_older_record_inside_a_torn_one_is_no_later_record(tmp_path: Path) -> None:
    """Who has seen a record may put its bytes into a transaction; a start is not stopped by it."""
    journal = open_journal(tmp_path)
    journal.append(1, payload(1))
    path = segments(tmp_path)[0]
    old = path.read_bytes()[128 : used_bytes(path)]
    journal.append(2, Random(9).randbytes(32) + old + bytes(-len(old) % 8) + payload(20))
    data = path.read_bytes()
    assert data.count(old) == 2
    path.write_bytes(data[:512] + bytes(512))

    assert served(tmp_path) == [(1, payload(1))]


def crafted(folder: Path, *records: tuple[int, bytes, bytes], named: int = 1) -> None:
    """One segment with records of these heights, payloads and chain values before them."""
    header = SegmentHeader(NETWORK, 1, bytes(32), b"saltsalt", SEGMENT_BYTES)
    data = encode_segment_header(header)
    for height, body, before in records:
        data += encode_record(height, body, before, header.salt, len(data))[0]
    folder.mkdir(exist_ok=True)
    (folder / segment_name(named)).write_bytes(data.ljust(SEGMENT_BYTES, b"\0"))


AFTER_1 = domain_hash("journal", bytes(32), b"one")

CRAFTED = {
    "first height is not the header's": ([(2, b"one", bytes(32))], "expected height 1"),
    "height falls": ([(1, b"one", bytes(32)), (1, b"two", AFTER_1)], "expected a height above 1"),
    "chain goes on elsewhere": ([(1, b"one", bytes(32)), (2, b"two", bytes(32))], "chain value"),
    "chain begins elsewhere": ([(1, b"one", AFTER_1)], "chain value"),
}


@pytest.mark.parametrize(("records", "text"), CRAFTED.values(), ids=CRAFTED.keys())
def test_sound_records_in_a_false_row_are_damage(
    tmp_path: Path, records: list[tuple[int, bytes, bytes]], text: str
) -> None:
    """CRCs that fit do not make a journal: heights and chain must, for a start and an audit."""
    crafted(tmp_path, *records)
    found = inspect(tmp_path)
    with pytest.raises(Damage, match=text):
        open_journal(tmp_path)

    assert found.damage is not None
    assert text in str(found.damage)


def test_segment_under_another_name_is_damage(tmp_path: Path) -> None:
    """A renamed file does not stand for other heights."""
    crafted(tmp_path, (1, b"one", bytes(32)), named=5)
    with pytest.raises(Damage, match="the first height its name tells, found 1"):
        open_journal(tmp_path)


def test_record_changed_under_an_open_journal_is_not_served(folder: Path) -> None:
    """A read trusts nothing it has read before: bit rot after the first read is found too."""
    journal = open_journal(folder)
    assert journal.read(2) == payload(2)
    flip(segments(folder)[0], 140)
    with pytest.raises(Damage):
        journal.read(1)
    with pytest.raises(Damage):
        list(journal.records())
    crafted(folder, (3, b"three", bytes(32)))
    with pytest.raises(Damage, match="expected the record of height 1, found height 3"):
        _resalted(journal).read(1)


def _resalted(journal: Journal) -> Journal:
    """The same journal, told the crafted segment's salt, as if two files had been swapped."""
    segment = journal._segments[1]
    segment.header = SegmentHeader(NETWORK, 1, bytes(32), b"saltsalt", SEGMENT_BYTES)
    return journal


def test_unsound_mark_is_taken_for_none(folder: Path) -> None:
    """Then the end is judged as after a kill."""
    open_journal(folder).close()
    flip(folder / "clean", 3)

    assert served(folder) == WRITTEN


def test_damaged_length_does_not_pass_for_a_torn_write(folder: Path) -> None:
    """A longer length reaches into zeros never written; the CRC under the true one tells."""
    path = segments(folder)[-1]
    data = path.read_bytes()
    last = data.rfind(b"REC1")
    for length in range(64, SEGMENT_BYTES):
        changed = data[: last + 4] + length.to_bytes(4, "big") + data[last + 8 :]
        path.write_bytes(changed)
        assert (changed == data) == (served(folder) is not None), f"length {length}"


def test_clean_mark_forgives_no_tear(folder: Path) -> None:
    """Closed in order, the last record was acknowledged: all of it gone is damage."""
    open_journal(folder).close()
    path = segments(folder)[-1]
    data = path.read_bytes()
    last = data.rfind(b"REC1")
    path.write_bytes(data[:last] + bytes(SEGMENT_BYTES - last))

    with pytest.raises(Fault, match="closed in order at height 8, and now ends at 7"):
        open_journal(folder)
    (folder / "clean").unlink()
    assert WRITTEN[:-1] == served(folder)


def test_inspection_names_the_first_difference(folder: Path) -> None:
    """Segment, offset, expected, found, and what is still readable behind it."""
    sound = inspect(folder)
    path = segments(folder)[0]
    third = path.read_bytes().find(b"REC1", path.read_bytes().find(b"REC1", 136) + 4)
    flip(path, third + 70)
    found = inspect(folder)

    assert (None, 8, 8) == (sound.damage, sound.records, sound.tip_height)
    assert found.damage is not None
    assert (path.name, third) == (found.damage.segment, found.damage.offset)
    assert ("a record whose CRC fits", "another CRC") == (
        found.damage.expected,
        found.damage.found,
    )
    assert (2, 2, third) == (found.records, found.tip_height, found.keep_bytes)
    assert (5, (4, 8)) == (found.lost_records, found.lost_heights)


def test_repair_says_what_would_be_lost_before_it_acts(folder: Path) -> None:
    """A dry run changes no file; acting keeps the sound part and sets the rest aside."""
    path = segments(folder)[0]
    second = path.read_bytes().find(b"REC1", 136)
    flip(path, second + 40)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    dry = repair(folder)
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    done = repair(folder, act=True)

    assert before == after
    assert (False, True) == (dry.done, done.done)
    assert (
        dry.set_aside == done.set_aside == tuple(sorted(name for name in before if "seg" in name))
    )
    assert WRITTEN[:1] == served(folder)
    assert served(folder, must_hold=2) is None
    for name in done.set_aside:
        assert before[name] == (folder / f"{name}.1.lost").read_bytes()


def test_repaired_journal_goes_on(folder: Path) -> None:
    """After the cut the lost heights can be written again, and all is sound."""
    flip(segments(folder)[-1], 3)
    repair(folder, act=True)
    journal = open_journal(folder)
    for height, data in WRITTEN[journal.tip_height :]:
        journal.append(height, data)
    journal.close()

    assert WRITTEN == served(folder)
    assert inspect(folder).damage is None


def test_repair_of_every_flip_gives_a_sound_beginning(folder: Path) -> None:
    """Whatever byte is wrong, what is kept is a beginning of what was written."""
    path = segments(folder)[0]
    for at in range(0, SEGMENT_BYTES, 3):
        copy = folder.parent / "copy"
        shutil.copytree(folder, copy)
        flip(copy / path.name, at)
        done = repair(copy, act=True)
        rows = served(copy)
        shutil.rmtree(copy)
        assert done.done
        assert rows is not None
        assert WRITTEN[: len(rows)] == rows
        assert done.found.records == len(rows)


def test_repair_of_a_sound_journal_does_nothing(folder: Path) -> None:
    """Also a torn last record is no damage: a start drops it by itself."""
    assert not repair(folder, act=True).done
    path = segments(folder)[-1]
    data = path.read_bytes()
    path.write_bytes(data[:512] + bytes(512))
    done = repair(folder, act=True)

    assert (False, True, None) == (done.done, done.found.torn, done.found.damage)


def test_repair_after_a_lost_end_removes_the_mark_alone(folder: Path) -> None:
    """The operator has been told; the journal ends where it ends."""
    open_journal(folder).close()
    path = segments(folder)[-1]
    data = path.read_bytes()
    last = data.rfind(b"REC1")
    path.write_bytes(data[:last] + bytes(SEGMENT_BYTES - last))
    done = repair(folder, act=True)

    assert ("clean", ()) == (done.found.damage and done.found.damage.segment, done.set_aside)
    assert WRITTEN[:-1] == served(folder)
