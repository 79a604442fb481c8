"""The real disk and clock do what the ports promise."""

import os
from pathlib import Path

import pytest

from salus.base.errors import Fault
from salus.node.ports import RealClock, RealDisk, StrictDisk


def test_file_is_made_private_written_and_read_at_offsets(tmp_path: Path) -> None:
    """Mode 0600; a gap reads as zeros; a read at the end is short."""
    disk = RealDisk()
    file = disk.open(tmp_path / "a", create=True)
    disk.pwrite(file, b"salus", 3)
    disk.fdatasync(file)

    assert 0o600 == (tmp_path / "a").stat().st_mode & 0o777
    assert 8 == disk.size(file)
    assert b"\0sa" == disk.pread(file, 3, 2)
    assert b"us" == disk.pread(file, 99, 6)
    disk.close(file)


def test_write_the_system_takes_in_parts_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system may write less than asked; the port writes the rest."""
    whole = os.pwrite
    disk = RealDisk()
    file = disk.open(tmp_path / "a", create=True)
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:3], at))
    disk.pwrite(file, b"ten bytes.", 1)

    assert b"\0ten bytes." == (tmp_path / "a").read_bytes()
    disk.close(file)


def test_names_are_sorted_and_follow_renames_and_removals(tmp_path: Path) -> None:
    """Folders are made with all above them, mode 0700."""
    disk = RealDisk()
    folder = tmp_path / "x" / "y"
    disk.make_folder(folder)
    disk.make_folder(folder)
    for name in ("b", "a", "c"):
        disk.close(disk.open(folder / name, create=True))
    disk.rename(folder / "c", folder / "a")
    before = disk.names(folder)
    disk.remove(folder / "b")
    disk.sync_folder(folder)

    assert ["a", "b"] == before
    assert ["a"] == disk.names(folder)
    assert 0o700 == folder.stat().st_mode & 0o777


def test_strict_disk_does_nothing_after_a_failure(tmp_path: Path) -> None:
    """Even where `die` returned: every later call is a fault."""
    reasons: list[str] = []
    disk = StrictDisk(RealDisk(), reasons.append)  # type: ignore[arg-type]  # one that returns
    file = RealDisk().open(tmp_path / "a", create=True)
    RealDisk().close(file)
    disk.fdatasync(file)

    assert ["a sync failed (EBADF)"] == reasons
    with pytest.raises(Fault, match="failed before"):
        disk.fdatasync(file)
    with pytest.raises(Fault, match="failed before"):
        disk.pwrite(file, b"", 0)
    with pytest.raises(Fault, match="failed before"):
        disk.rename(tmp_path / "a", tmp_path / "b")
    with pytest.raises(Fault, match="failed before"):
        disk.remove(tmp_path / "a")
    assert ["a"] == RealDisk().names(tmp_path)


def test_clock_tells_wall_time_in_ms_and_a_steady_time_in_seconds() -> None:
    """Between 2020 and 2100, and never backwards."""
    clock = RealClock()
    steady = [clock.monotonic() for _ in range(100)]

    assert 1_577_836_800_000 < clock.now_ms() < 4_102_444_800_000
    assert sorted(steady) == steady
