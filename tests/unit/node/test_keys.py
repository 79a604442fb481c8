"""A member's secrets on disk: made once, read at start, refused when others could read them."""

from pathlib import Path

import pytest

from salus.base import keyfile
from salus.base.errors import Problem
from salus.base.signing import member_id
from salus.node.folder_lock import FolderLock
from salus.node.keys import Use, load_keys, make_demo_keys, make_keys
from salus.node.small_file import write_whole


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least memory and passes that a file may ask for."""
    monkeypatch.setattr(keyfile, "LANES", 1)


def refusal(folder: Path, **options: object) -> str:
    """Why the keys do not load."""
    with pytest.raises(Problem) as problem:
        load_keys(folder, **options)  # type: ignore[arg-type]  # as the test gives them
    assert str(folder) not in str(problem.value)
    return problem.value.name


def test_demo_keys_are_made_once_and_read_again(tmp_path: Path) -> None:
    """Seven files, mode 0600; the member is named by its first transaction key."""
    made = make_demo_keys(tmp_path / "keys")
    again = make_demo_keys(tmp_path / "keys")

    assert made.transaction.seed == again.transaction.seed
    assert member_id(made.transaction.public) == again.member
    names = sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert sorted(use.file_name for use in Use) == names
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert 0o700 == (tmp_path / "keys").stat().st_mode & 0o777
    assert 7 == len({made.retention, made.house, made.storage, made.transaction.seed,
                     made.service.seed, made.log.seed, made.sealing.public})  # fmt: skip
    assert made.retention.hex() not in repr(made)


def test_a_demos_keys_are_refused_elsewhere(tmp_path: Path) -> None:
    """Nobody runs a hospital on keys that say they are no secret."""
    make_demo_keys(tmp_path)

    assert "KeyFileDemo" == refusal(tmp_path)
    assert "KeyFileDemo" == refusal(tmp_path, passphrase=b"x")


@pytest.mark.usefixtures("cheap")
def test_sealed_keys_need_their_passphrase(tmp_path: Path) -> None:
    """Kept when there; a missing or wrong passphrase is told."""
    for use in list(Use)[1:]:
        write_whole(tmp_path / use.file_name, keyfile.lock_demo(bytes([use]) * 32, use))
    path = tmp_path / Use.TRANSACTION.file_name
    write_whole(path, keyfile.lock(b"\x07" * 32, Use.TRANSACTION, b"correct horse"))

    assert b"\x07" * 32 == (
        load_keys(tmp_path, passphrase=b"correct horse", demo=True).transaction.seed
    )
    assert "PassphraseMissing" == refusal(tmp_path, demo=True)
    assert "PassphraseWrong" == refusal(tmp_path, demo=True, passphrase=b"x")


@pytest.mark.slow
def test_a_member_makes_all_its_keys_under_one_passphrase(tmp_path: Path) -> None:
    """Seven files of 93 bytes; making them again changes none."""
    made = make_keys(tmp_path / "keys", b"correct horse")

    again = make_keys(tmp_path / "keys", b"correct horse")

    assert made.member == again.member
    assert {93} == {path.stat().st_size for path in (tmp_path / "keys").iterdir()}


def test_a_file_others_can_read_is_refused(tmp_path: Path) -> None:
    """Mode 0600 and one's own, or no start."""
    make_demo_keys(tmp_path)
    for mode in (0o640, 0o604, 0o610):
        (tmp_path / Use.LOG.file_name).chmod(mode)
        assert "KeyFileExposed" == refusal(tmp_path, demo=True)
    (tmp_path / Use.LOG.file_name).chmod(0o600)
    load_keys(tmp_path, demo=True)


def test_missing_and_swapped_files_are_told(tmp_path: Path) -> None:
    """A key of another use does not pass for this one."""
    make_demo_keys(tmp_path)
    service = (tmp_path / Use.SERVICE.file_name).read_bytes()
    write_whole(tmp_path / Use.LOG.file_name, service)
    assert "KeyFileOtherUse" == refusal(tmp_path, demo=True)

    (tmp_path / Use.LOG.file_name).unlink()
    assert "KeyFileMissing" == refusal(tmp_path, demo=True)


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    """The name leads to the older bytes or the new ones; a left-over of a crash does no harm."""
    path = tmp_path / "note"
    write_whole(path, b"older")
    path.with_name("note.new").write_bytes(b"half a no")

    write_whole(path, b"newer")

    assert b"newer" == path.read_bytes()
    assert ["note"] == [one.name for one in tmp_path.iterdir()]


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    """The second is told; released twice, it opens once."""
    lock = FolderLock(tmp_path)
    with pytest.raises(Problem, match="FolderInUse"):
        FolderLock(tmp_path)
    lock.release()
    lock.release()

    FolderLock(tmp_path).release()
