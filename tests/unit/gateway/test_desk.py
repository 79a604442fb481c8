"""The desk: sealed, all or nothing, and never opened by another key."""

from pathlib import Path

import pytest

from salus.base.errors import Fault
from salus.gateway.desk import Desk

SECRET = bytes(range(32))


def test_values_come_back_and_stay_over_a_restart(tmp_path: Path) -> None:
    """What was put is there after the file is opened again, by key."""
    desk = Desk(tmp_path / "desk.db", SECRET)
    desk.change([("kind", b"b", b"2"), ("kind", b"a", b"1"), ("other", b"a", b"3")])
    desk.close()
    again = Desk(tmp_path / "desk.db", SECRET)

    assert [(b"a", b"1"), (b"b", b"2")] == list(again.all("kind"))
    assert b"3" == again.get("other", b"a")
    assert again.get("other", b"b") is None
    again.close()


def test_a_change_is_done_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that fails in its middle leaves nothing of itself."""
    desk = Desk(tmp_path / "desk.db", SECRET)
    desk.put("kind", b"old", b"stays")
    monkeypatch.setattr(desk, "_sealed", lambda *_: None)
    with pytest.raises(Fault):
        desk.change([("kind", b"new", b"refused: no value may be missing")], [("kind", b"old")])

    assert [(b"old", b"stays")] == list(desk.all("kind"))
    desk.close()


def test_another_storage_key_is_refused_at_the_start(tmp_path: Path) -> None:
    """By another key every patient would seem unknown, and would be enrolled a second time."""
    Desk(tmp_path / "desk.db", SECRET).close()

    with pytest.raises(Fault, match="storage key"):
        Desk(tmp_path / "desk.db", bytes(32))


def test_a_value_moved_to_another_key_is_found(tmp_path: Path) -> None:
    """Each value is bound to its place: one patient's root cannot stand under another's handle."""
    desk = Desk(tmp_path / "desk.db", SECRET)
    desk.change([("kind", b"a", b"1"), ("kind", b"b", b"2")])
    with desk._engine.begin() as connection:
        connection.exec_driver_sql(
            "update item set value = (select value from item where key = x'61') where key = x'62'"
        )

    with pytest.raises(Fault, match="altered"):
        desk.get("kind", b"b")
    desk.close()


def test_a_damaged_file_is_a_fault_not_an_answer(tmp_path: Path) -> None:
    """A flipped byte anywhere in a value, and a file that is no database, are told as damage."""
    desk = Desk(tmp_path / "desk.db", SECRET)
    desk.put("kind", b"a", b"value")
    with desk._engine.begin() as connection:
        connection.exec_driver_sql("update item set value = x'00' where kind = 'kind'")
    with pytest.raises(Fault, match="altered"):
        desk.get("kind", b"a")
    desk.close()
    (tmp_path / "desk.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(Fault, match="altered"):
        Desk(tmp_path / "desk.db", SECRET)


def test_the_file_shows_neither_names_nor_values(tmp_path: Path) -> None:
    """What identifies somebody goes in as a keyed hash, and the file is its owner's alone."""
    desk = Desk(tmp_path / "desk.db", SECRET)
    desk.put("patient", desk.name("patient", b"Patient/ada"), b"Ada Lovelace")
    desk.close()
    files = list(tmp_path.iterdir())

    assert not [one for one in files if b"Ada" in one.read_bytes() or b"ada" in one.read_bytes()]
    assert 0o600 == (tmp_path / "desk.db").stat().st_mode & 0o777
