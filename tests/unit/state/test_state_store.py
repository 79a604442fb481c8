"""The state store: tip, layers, extras, old heights, and a start after a clean stop."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salus.base.errors import Category, Fault
from salus.state import store as store_file
from salus.state import tree
from salus.state.proof import EMPTY, path_of, verify_absent, verify_present
from salus.state.recent import ROW_BYTES_MAX, Recent
from salus.state.store import HeightTooOld, HeightUnknown, StateStore, StoreInUse
from tests.unit.state.naive import root_of

Rows = dict[bytes, bytes]


class History:
    """Random blocks pushed to a store, and the rows after each of them in plain dictionaries."""

    def __init__(self, store: StateStore, seed: int) -> None:
        """Start on an empty store."""
        self.store = store
        self.random = random.Random(seed)
        self.keys = [b"\x0f\x01" + bytes([number]) for number in range(120)]
        self.rows_at: dict[int, Rows] = {-1: {}}

    def changes(self) -> dict[bytes, bytes | None]:
        """One block's changes."""
        keys = self.random.sample(self.keys, self.random.randint(0, 12))
        return {
            key: None if self.random.random() < 0.3 else self.random.randbytes(4) for key in keys
        }

    def push(self, blocks: int) -> None:
        """Push that many blocks, staging another change on each tip first, which is dropped."""
        for _ in range(blocks):
            self.store.stage(self.changes())
            changes = self.changes()
            height = self.store.tip_height + 1
            rows = dict(self.rows_at[height - 1])
            for key, value in changes.items():
                rows.pop(key, None)
                if value is not None:
                    rows[key] = value
            number = height.to_bytes(8, "big")
            extras = [("receipts", number, b"receipts of " + number), ("meta", b"last", number)]
            self.store.push(height, self.store.stage(changes), extras, b"meta of " + number)
            self.rows_at[height] = rows

    def check(self, store: StateStore, height: int) -> None:
        """Every key at that height is provably what it was then."""
        rows = self.rows_at[height]
        root = store.root_at(height)

        assert root_of(rows) == root

        for key in self.keys:
            value, proof = store.prove(key, height)

            assert rows.get(key) == value

            if value is None:
                verify_absent(root, key, proof)
            else:
                verify_present(root, key, value, proof)

    def check_tip(self, store: StateStore) -> None:
        """Each way to read the tip gives what was written."""
        rows = self.rows_at[store.tip_height]

        assert [rows.get(key) for key in self.keys] == store.get_many(self.keys)
        assert [rows.get(key) for key in self.keys] == [store.get(key) for key in self.keys]
        assert sorted(rows.items(), key=lambda row: path_of(row[0])) == list(store.rows())
        assert len(rows) == store.row_count


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    """An empty store with few levels."""
    opened = StateStore.open(tmp_path, levels=3)
    yield opened
    opened.close()


def test_a_new_store_is_empty(store: StateStore) -> None:
    """Nothing pushed: height -1, the empty root, provable absence."""
    assert (store.base_height, store.tip_height, store.root) == (-1, -1, EMPTY)
    assert store.base_meta == b""
    assert store.get(b"\x0f\x01") is None
    assert list(store.rows()) == []
    verify_absent(EMPTY, b"\x0f\x01", store.prove(b"\x0f\x01")[1])


def test_every_kept_height_is_provable(store: StateStore) -> None:
    """The tip and 64 heights below it, down to the base, answer as they were; older ones do not."""
    history = History(store, seed=1)
    history.push(90)

    assert (store.tip_height, store.base_height) == (89, 25)

    for height in range(store.base_height, store.tip_height + 1):
        history.check(store, height)
    history.check_tip(store)
    with pytest.raises(HeightTooOld) as old:
        store.prove(history.keys[0], 24)
    with pytest.raises(HeightUnknown) as unknown:
        store.root_at(90)

    assert old.value.category is Category.GONE
    assert unknown.value.category is Category.NOT_FOUND


def test_one_of_many_staged_changes_is_pushed(store: StateStore) -> None:
    """Changes staged on one tip are independent; once one is pushed the others are stale."""
    key = b"\x0f\x01k"
    first = store.stage({key: b"first"})
    second = store.stage({key: b"second"})
    store.push(0, second)

    assert store.get(key) == b"second"
    assert (store.root, second.root) == (root_of({key: b"second"}), root_of({key: b"second"}))

    with pytest.raises(Fault, match="staged on another tip"):
        store.push(1, first)


def test_heights_follow_each_other(store: StateStore) -> None:
    """The first height is free; from then on each follows the one before."""
    store.push(7, store.stage({}))
    with pytest.raises(Fault, match="height 9 does not follow 7"):
        store.push(9, store.stage({}))


def test_extras_and_meta_travel_with_their_layer(store: StateStore) -> None:
    """Extras are read at once; the base's note is that of the newest height on disk."""
    history = History(store, seed=2)
    history.push(70)
    zero, last = bytes(8), (69).to_bytes(8, "big")

    assert store.extra("receipts", zero) == b"receipts of " + zero
    assert store.extra("receipts", last) == b"receipts of " + last
    assert store.extra("meta", b"last") == last
    assert store.extra("index", b"nothing") is None
    assert store.base_meta == b"meta of " + store.base_height.to_bytes(8, "big")

    store.flush()

    assert store.base_height == store.tip_height == 69
    assert store.extra("meta", b"last") == last
    assert store.base_meta == b"meta of " + last


def test_many_rows_move_layers_early(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of all layers together are bounded, even if one block alone exceeds the bound."""
    monkeypatch.setattr(store_file, "LAYER_ROWS_MAX", 100)
    for height in range(10):
        rows: dict[bytes, bytes | None] = {
            b"\x0f\x01" + bytes([height, number]): b"x" for number in range(30)
        }
        store.push(height, store.stage(rows))

    assert store.base_height == 6

    big: dict[bytes, bytes | None] = {b"\x0f\x02" + bytes([number]): b"y" for number in range(200)}
    store.push(10, store.stage(big))

    assert store.base_height == store.tip_height == 10
    assert store.row_count == 500


def test_long_replays_move_layers_early(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a start works out again is bounded, however few rows it changes."""
    monkeypatch.setattr(store_file, "LAYER_REPLAY_BYTES_MAX", 1_000)
    for height in range(10):
        store.push(height, store.stage({bytes([height]): b"x"}), replay_bytes=300)

    assert store.base_height == 6

    store.push(10, store.stage({b"\x0f": b"y"}), replay_bytes=1_001)

    assert store.base_height == store.tip_height == 10


def test_a_row_read_lately_is_read_once(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a block changes it; then the new value counts, in the layer and on the disk."""
    key = b"\x0f\x01"
    store.push(0, store.stage({key: b"first"}))
    store.flush()
    asked = Asked(store, monkeypatch)

    assert [b"first", b"first"] == [store.get(key), store.get(key)]
    assert 1 == asked.times

    store.push(1, store.stage({key: b"second"}))

    assert b"second" == store.get(key)

    store.flush()

    assert [b"second", b"second"] == [store.get(key), store.get(key)]
    assert 2 == asked.times

    store.push(2, store.stage({key: None}))
    store.flush()

    assert store.get(key) is None


def test_a_row_changed_while_it_was_read_is_not_remembered(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that was overtaken by a block and by its way to the disk leaves no old value."""
    key = b"\x0f\x01"
    store.push(0, store.stage({key: b"first"}))
    store.flush()

    def overtake() -> None:
        asked.before_answer = None
        store.push(1, store.stage({key: b"second"}))
        store.flush()

    asked = Asked(store, monkeypatch)
    asked.before_answer = overtake

    assert b"first" == store.get(key)
    assert b"second" == store.get(key)


def test_few_rows_are_remembered() -> None:
    """Two generations of them, none long: the oldest are let go, not the newest."""
    recent = Recent(most=4)
    for number in range(20):
        recent.keep(bytes([number]), b"value")
        recent.keep(bytes([number + 100]), bytes(ROW_BYTES_MAX + 1))
    known = [number for number in range(200) if recent.find(bytes([number]))]

    assert list(range(12, 20)) == known


class Asked:
    """Counts what the disk is asked, and does something before it answers."""

    def __init__(self, store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.before_answer: Callable[[], None] | None = None
        self._value = store._disk.value
        monkeypatch.setattr(store._disk, "value", self._answer)

    def _answer(self, path: bytes, state_key: bytes) -> bytes | None:
        self.times += 1
        value = self._value(path, state_key)
        if self.before_answer is not None:
            self.before_answer()
        return value


def test_rows_by_prefix(store: StateStore) -> None:
    """A prefix chooses among layers and disk alike."""
    store.push(0, store.stage({b"\x01\x01a": b"1", b"\x02\x01b": b"2", b"\x01\x02c": b"3"}))
    store.flush()
    store.push(1, store.stage({b"\x01\x01d": b"4", b"\x01\x02c": None}))

    assert {b"\x01\x01a": b"1", b"\x01\x01d": b"4"} == dict(store.rows(b"\x01"))


def test_rows_are_those_of_the_start(store: StateStore) -> None:
    """A scan under way does not see what is pushed and moved meanwhile."""
    before: dict[bytes, bytes | None] = {
        b"\x01\x01" + bytes([number]): b"old" for number in range(50)
    }
    store.push(0, store.stage(before))
    scan = store.rows()
    first = next(scan)
    store.push(1, store.stage(dict.fromkeys(before, b"new")))
    store.flush()

    assert before == dict([first, *scan])


@pytest.mark.parametrize("clean", [True, False])
def test_reopen(tmp_path: Path, *, clean: bool) -> None:
    """After a clean stop the tip is the base, with the saved heap or without it."""
    store = StateStore.open(tmp_path, levels=3)
    history = History(store, seed=3)
    history.push(80)
    store.close()
    if not clean:
        (tmp_path / "heap").unlink()
    store = StateStore.open(tmp_path, levels=3)

    assert store.base_height == store.tip_height == 79

    history.check(store, 79)
    history.check_tip(store)
    history.store = store
    history.push(3)
    history.check(store, 82)
    store.close()


@pytest.mark.parametrize("levels", [1, 2, 7, 10])
def test_reopen_with_other_levels(tmp_path: Path, levels: int) -> None:
    """T is storage only: with another one every root and proof is the same."""
    store = StateStore.open(tmp_path, levels=4)
    history = History(store, seed=4)
    history.push(60)
    root = store.root
    store.close()
    store = StateStore.open(tmp_path, levels=levels)

    assert root == store.root

    history.check(store, 59)
    history.store = store
    history.push(10)
    history.check(store, 65)
    store.close()


def test_levels_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crowded buckets are split while running: the root stays, heights below the tip are gone."""
    monkeypatch.setattr(tree, "LEVELS_MIN", 2)
    store = StateStore.open(tmp_path)
    rows: Rows = {}
    for height in range(30):
        block = {b"\x0f\x01" + bytes([height, number]): b"x" for number in range(10)}
        rows.update(block)
        store.push(height, store.stage(dict(block)))

        assert root_of(rows) == store.root

    assert store._heap.levels == 8
    assert store.base_height > 0
    assert rows == dict(store.rows())

    store.close()
    store = StateStore.open(tmp_path)

    assert root_of(rows) == store.root
    assert store._heap.levels == 8

    store.close()


def test_one_process_at_a_time(store: StateStore, tmp_path: Path) -> None:
    """A second opening is told so, and not that the store is damaged."""
    with pytest.raises(StoreInUse):
        StateStore.open(tmp_path)
    store.push(0, store.stage({b"\x0f\x01": b"still works"}))


def test_readers_beside_the_writer(store: StateStore) -> None:
    """While blocks are pushed and moved, each proof fits the root of the height asked for."""
    key = b"\x0f\x01k"
    store.push(0, store.stage({key: bytes(8)}))
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                height = store.tip_height
                with contextlib.suppress(HeightTooOld):  # flushed meanwhile
                    value, proof = store.prove(key, height)

                    assert height.to_bytes(8, "big") == value
                    assert int.from_bytes(store.get(key) or b"", "big") >= height

                    verify_present(store.root_at(height), key, height.to_bytes(8, "big"), proof)
        except BaseException as failure:  # noqa: BLE001 (handed to the main thread)
            failures.append(failure)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for height in range(1, 300):
        changes: dict[bytes, bytes | None] = {key: height.to_bytes(8, "big")}
        changes |= {b"\x0f\x02" + bytes([number]): bytes([height % 256]) for number in range(20)}
        store.push(height, store.stage(changes))
        if height % 50 == 0:
            store.flush()
    done.set()
    for reader in readers:
        reader.join()

    assert failures == []
