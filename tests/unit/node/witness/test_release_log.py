"""The release log loses nothing it acknowledged, and takes no damage for a torn write."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.base import codec, merkle
from salus.base.errors import Fault
from salus.node.witness import log_record
from salus.node.witness.log_record import FILE_HEAD_BYTES, Torn
from salus.node.witness.messages import BatchGroups, ReleaseEntry
from salus.node.witness.release_log import FILE, ReleaseLog

SALT = bytes(range(8))


def entry(number: int, tag: bytes = bytes(16), groups: Sequence[int] = (1, 2)) -> ReleaseEntry:
    """A line that differs by its number."""
    return ReleaseEntry(
        batches=[BatchGroups(batch=number.to_bytes(16, "big"), groups=list(groups))],
        height=number,
        index=0,
        intent_ms=number * 3_600_000,
        leaf=os.urandom(60),
        member=bytes(16),
        path=[],
        sequence=number,
        subject=bytes([7]) * 16,
        tag=tag,
        time_ms=number * 3_600_000 + 1,
    )


def fill(folder: Path, calls: int) -> list[bytes]:
    """A closed log of so many calls of two lines each; their bytes."""
    log = ReleaseLog(folder)
    entries = []
    for call in range(calls):
        lines = [entry(2 * call), entry(2 * call + 1, bytes([1]) * 16)]
        assert log.append(lines)
        entries += [codec.encode(line) for line in lines]
    log.close()
    return entries


def test_log_comes_back_as_it_was(tmp_path: Path) -> None:
    """Size, root, lines and places by tag survive a restart."""
    entries = fill(tmp_path, 5)
    log = ReleaseLog(tmp_path)

    assert (10, merkle.root(entries)) == (log.size, log.root(10))
    assert entries == [log.entry(number) for number in range(10)]
    assert [1, 3, 5, 7, 9] == log.index.numbers_of_tag(bytes([1]) * 16, 0, 100)
    assert [4, 5, 6] == log.index.numbers_of_grant(bytes([7]) * 16, 4, 3)
    log.close()


def test_tree_and_index_are_rebuilt_from_the_file(tmp_path: Path) -> None:
    """Without tree and index, or with an index that is no database, the file gives both again."""
    entries = fill(tmp_path, 3)
    for path in [*(tmp_path / "tree").iterdir(), *tmp_path.glob("index.sqlite*")]:
        path.unlink()
    (tmp_path / "index.sqlite").write_bytes(os.urandom(5_000))
    log = ReleaseLog(tmp_path)

    assert merkle.root(entries) == log.root(log.size)
    assert entries == [found for record in log.records() for found in record.entries]
    log.close()


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.99])
def test_torn_last_record_is_dropped_and_written_over(tmp_path: Path, part: float) -> None:
    """A record whose end is missing was never acknowledged: it goes, and the log goes on."""
    entries = fill(tmp_path, 3)
    path = tmp_path / FILE
    data = path.read_bytes()
    record = log_record.pack([codec.encode(entry(99))], data[8:16])
    path.write_bytes(data + record[: 1 + int((len(record) - 2) * part)])
    log = ReleaseLog(tmp_path)
    assert 6 == log.size
    line = entry(100)
    log.append([line])
    log.close()
    log = ReleaseLog(tmp_path)

    assert merkle.root([*entries, codec.encode(line)]) == log.root(log.size)
    log.close()


def test_unwritten_sector_of_last_record_is_torn(tmp_path: Path) -> None:
    """A record of which a whole sector never reached the disk was not acknowledged."""
    fill(tmp_path, 2)
    path = tmp_path / FILE
    data = path.read_bytes()
    record = bytearray(log_record.pack([codec.encode(entry(9, groups=range(2_000)))], data[8:16]))
    start = 512 - len(data) % 512
    record[start + 512 : start + 1024] = bytes(512)
    path.write_bytes(data + record)
    log = ReleaseLog(tmp_path)

    assert 4 == log.size
    log.close()


@pytest.mark.parametrize("place", ["last", "middle", "head"])
def test_flipped_bit_is_damage_not_a_torn_write(tmp_path: Path, place: str) -> None:
    """An acknowledged record with one flipped bit stops the start, also if it is the last one."""
    fill(tmp_path, 3)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    at = {"last": len(data) - 3, "middle": FILE_HEAD_BYTES + 40, "head": 2}[place]
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(Fault, match="release log damaged"):
        ReleaseLog(tmp_path)


def test_zeroed_record_before_others_is_damage(tmp_path: Path) -> None:
    """Zeros where a record stood are damage as long as a whole record follows them."""
    fill(tmp_path, 3)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[FILE_HEAD_BYTES : FILE_HEAD_BYTES + 100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(Fault, match="release log damaged"):
        ReleaseLog(tmp_path)


def test_shortened_file_is_damage(tmp_path: Path) -> None:
    """A file that lost a record the index knows stops the start."""
    fill(tmp_path, 3)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(Fault, match="release log damaged"):
        ReleaseLog(tmp_path)


def test_full_disk_logs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-written record of a full disk is written over, and does not disturb the next one."""
    log = ReleaseLog(tmp_path)
    log.append([entry(0)])

    def half(file: int, data: bytes, at: int) -> bool:
        os.pwrite(file, data[: len(data) // 2], at)
        return False

    monkeypatch.setattr(log._disk, "pwrite_if_room", half)
    assert not log.append([entry(1, groups=range(500))])
    monkeypatch.undo()
    assert log.append([entry(2)])
    log.close()
    log = ReleaseLog(tmp_path)

    assert 2 == log.size
    log.close()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=4),
    st.integers(0, 511),
    st.data(),
)
def test_record_round_trip_and_every_cut(
    entries: list[bytes], at: int, data: st.DataObject
) -> None:
    """A record gives its entries and their places back; cut anywhere it is torn, never read."""
    record = log_record.pack(entries, SALT)
    found = log_record.read(record + b"next", at, SALT)
    cut = data.draw(st.integers(0, len(record) - 1))

    assert tuple(entries) == found.entries
    assert at + len(record) == found.end
    assert entries == [
        record[offset - at : offset - at + len(one)]
        for offset, one in zip(found.offsets, entries, strict=True)
    ]
    with pytest.raises(Torn):
        log_record.read(record[:cut], at, SALT)


@given(st.integers(1, 700), st.integers(0, 511), st.data())
def test_every_flipped_bit_is_damage(size: int, at: int, data: st.DataObject) -> None:
    """No flipped bit of a whole record passes, and none passes for a torn write."""
    record = bytearray(log_record.pack([b"\xa5" * size], SALT))
    bit = data.draw(st.integers(0, len(record) * 8 - 1))
    record[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Fault):
        log_record.read(bytes(record), at, SALT)


def test_record_of_another_file_is_refused() -> None:
    """The file's salt keeps bytes chosen by a reader from ever being taken for a record."""
    record = log_record.pack([b"line"], SALT)
    with pytest.raises(Fault):
        log_record.read(record, 0, bytes(8))
