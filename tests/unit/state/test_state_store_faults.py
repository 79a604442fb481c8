"""The state store after kills, copies of a running folder, and flipped bits (T3, T4)."""

import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from salus.node.tip import open_store
from salus.state import disk as disk_file
from salus.state.disk import Disk
from salus.state.proof import path_of
from salus.state.store import StateStore, StoreDamaged, StoreFailed
from tests.unit.state.naive import root_of

BLOCK_ROWS = 20

WRITER = """
import sys
from pathlib import Path
from salus.state.store import StateStore
from tests.unit.state.test_state_store_faults import block

store = StateStore.open(Path(sys.argv[1]))
while True:
    height = store.tip_height + 1
    store.push(height, store.stage(block(height)), meta=height.to_bytes(8, "big"))
    print(height, flush=True)
"""


def block(height: int) -> dict[bytes, bytes | None]:
    """The changes of a block, known from its height: new rows, changed rows, rows taken away."""
    chance = random.Random(height)
    keys = [b"\x0f\x01" + chance.randrange(400).to_bytes(2, "big") for _ in range(BLOCK_ROWS)]
    return {key: None if chance.random() < 0.2 else chance.randbytes(30) for key in keys}


def rows_after(height: int) -> dict[bytes, bytes]:
    """The rows after that many blocks."""
    rows: dict[bytes, bytes | None] = {}
    for below in range(height + 1):
        rows.update(block(below))
    return {key: value for key, value in rows.items() if value is not None}


def check_whole(folder: Path, height_max: int) -> int:
    """The folder opens at some base at or below the height, whole, and goes on from there."""
    store = StateStore.open(folder)
    base = store.base_height

    assert base <= height_max
    assert base < 0 or base.to_bytes(8, "big") == store.base_meta
    assert rows_after(base) == dict(store.rows())
    assert root_of(rows_after(base)) == store.root

    store.push(base + 1, store.stage(block(base + 1)), meta=(base + 1).to_bytes(8, "big"))

    assert root_of(rows_after(base + 1)) == store.root

    store.close()
    return base


@pytest.mark.parametrize("blocks", [1, 70, 150, 333])
def test_killed_while_writing(tmp_path: Path, blocks: int) -> None:
    """A writer killed at any moment loses layers only: the disk stands at a whole block."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(blocks):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        printed = [blocks - 1, *(int(line) for line in writer.stdout.read().split())]
    base = check_whole(tmp_path, printed[-1] + 1)

    assert base >= blocks - 1 - 64


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder of a running store, which never was closed."""
    folder = tmp_path_factory.mktemp("store")
    store = StateStore.open(folder / "live")
    for height in range(200):
        store.push(height, store.stage(block(height)), meta=height.to_bytes(8, "big"))
    shutil.copytree(folder / "live", folder / "copy")
    store.close()
    return folder


def test_copy_of_a_running_store_is_its_base(running: Path, tmp_path: Path) -> None:
    """What a power cut leaves, if all was written: the base, without the layers."""
    shutil.copytree(running / "copy", tmp_path / "store")

    assert check_whole(tmp_path / "store", 199) == 135


def test_cut_write_ahead_log_is_an_older_base(running: Path, tmp_path: Path) -> None:
    """What was not synced may be lost from its end on: an older whole block, never half a one."""
    [log] = (running / "copy" / "rocks").glob("*.log")
    data = log.read_bytes()
    bases = []
    for part in range(1, 8):
        folder = tmp_path / str(part)
        shutil.copytree(running / "copy", folder)
        (folder / "rocks" / log.name).write_bytes(data[: len(data) * part // 8])
        bases.append(check_whole(folder, 135))

    assert sorted(bases) == bases
    assert len(set(bases)) > 5


@pytest.mark.parametrize("stopped", ["live", "copy"])
def test_flipped_bits_are_detected_or_harmless(running: Path, tmp_path: Path, stopped: str) -> None:
    """One bit flipped anywhere: the store says damaged, or stands whole at some height."""
    chance = random.Random(11)
    files = [path for path in (running / stopped).rglob("*") if path.is_file()]
    files = [path for path in files if path.stat().st_size and path.name not in ("LOG", "LOCK")]
    outcomes = {"damaged": 0, "whole": 0}
    for number in range(24):
        victim = files[number % len(files)]
        folder = tmp_path / str(number)
        shutil.copytree(running / stopped, folder)
        _flip(folder / victim.relative_to(running / stopped), chance)
        outcomes[_outcome(folder)] += 1

    assert outcomes["damaged"] > 2
    assert outcomes["whole"] > 2


def _flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _outcome(folder: Path) -> str:
    try:
        store = StateStore.open(folder)
    except StoreDamaged:
        return "damaged"
    try:
        rows = dict(store.rows())
        values = {key: store.get(key) for key in rows}
    except StoreDamaged:
        return "damaged"
    finally:
        store._disk.drop()
    assert rows_after(store.base_height) == rows == values
    return "whole"


def test_a_damaged_saved_heap_is_not_trusted(running: Path, tmp_path: Path) -> None:
    """A flipped bit or a torn end of the saved heap costs a slower start, nothing else."""
    for number, damage in enumerate([_cut(1), _cut(10_000), _cut(268_000), _flip_last]):
        folder = tmp_path / str(number)
        shutil.copytree(running / "live", folder)
        (folder / "heap").write_bytes(damage((folder / "heap").read_bytes()))

        assert check_whole(folder, 199) == 199


def test_a_stale_saved_heap_is_not_trusted(running: Path, tmp_path: Path) -> None:
    """A heap saved at another root is left aside, whatever its checksum."""
    shutil.copytree(running / "live", tmp_path / "store")
    store = StateStore.open(tmp_path / "store")
    store.push(200, store.stage(block(200)), meta=(200).to_bytes(8, "big"))
    store.flush()
    store._disk.drop()

    assert check_whole(tmp_path / "store", 200) == 200


def _cut(count: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:-count]


def _flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


@pytest.fixture
def scrambled(tmp_path: Path) -> Path:
    """A store, cleanly stopped, whose table files were overwritten behind its back."""
    store = StateStore.open(tmp_path, levels=6)
    rows: dict[bytes, bytes | None] = {
        b"\x0f\x01" + number.to_bytes(2, "big"): bytes(200) + bytes([number % 256])
        for number in range(2_000)
    }
    receipts = [("receipts", number.to_bytes(8, "big"), bytes(300)) for number in range(2_000)]
    store.push(0, store.stage(rows), receipts)
    store.close()
    for table in (tmp_path / "rocks").glob("*.sst"):
        data = table.read_bytes()
        if len(data) > 10_000:
            table.write_bytes(bytes(len(data) // 2) + data[len(data) // 2 :])
    return tmp_path


def test_unreadable_tables_are_reported_by_every_reader(scrambled: Path) -> None:
    """The saved heap still opens the store; whoever reads a broken block is told, none gets it."""
    keys = [b"\x0f\x01" + number.to_bytes(2, "big") for number in range(2_000)]
    store = StateStore.open(scrambled, levels=6)
    readers: dict[str, Callable[[], object]] = {
        "get": lambda: [store.get(key) for key in keys],
        "get_many": lambda: store.get_many(keys),
        "stage": lambda: store.stage(dict.fromkeys(keys, b"new")),
        "prove": lambda: [store.prove(key) for key in keys],
        "extra": lambda: [store.extra("receipts", n.to_bytes(8, "big")) for n in range(2_000)],
        "rows": lambda: list(store.rows()),
    }
    for reader in readers.values():
        with pytest.raises(StoreDamaged):
            reader()
    store._disk.drop()


def test_unreadable_buckets_do_not_open(scrambled: Path) -> None:
    """Without a saved heap the buckets are all read, and a broken one is reported."""
    (scrambled / "heap").unlink()
    with pytest.raises(StoreDamaged):
        StateStore.open(scrambled, levels=6)


CONTRADICTIONS: dict[str, tuple[str, bytes, bytes | None, str]] = {
    "a format of another version": ("meta", b"base", bytes(50), "version 1"),
    "a short base": ("meta", b"base", b"\x01", "cut short"),
    "no base": ("meta", b"base", None, "buckets but no base"),
    "a bucket lost": ("buckets", b"", None, "another root"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_store_that_contradicts_itself_does_not_open(tmp_path: Path, case: str) -> None:
    """What a healthy RocksDB gives is still compared: version, base, root."""
    family, key, value, found = CONTRADICTIONS[case]
    store = StateStore.open(tmp_path, levels=4)
    store.push(0, store.stage({b"\x0f\x01k": b"value"}))
    store.close()
    (tmp_path / "heap").unlink()
    disk = Disk(tmp_path)
    table = disk._families[family]
    if value is None:
        table.delete(key or next(iter(table.keys())))
    else:
        table.put(key, value)
    disk.close()
    with pytest.raises(StoreDamaged, match=found):
        StateStore.open(tmp_path, levels=4)


def test_a_row_under_anothers_path_is_not_given_out(tmp_path: Path) -> None:
    """A row carries its key: under another path it is damage, and so is a row too many."""
    store = StateStore.open(tmp_path, levels=4)
    store.push(0, store.stage({b"\x0f\x01k": b"value"}))
    store.flush()
    other = b"\x0f\x01other"
    store._disk._families["state"].put(path_of(other), bytes((3,)) + b"\x0f\x01k" + b"value")
    with pytest.raises(StoreDamaged, match="another row's key"):
        store.get(other)
    with pytest.raises(StoreDamaged, match="expected 1 rows, found 2"):
        list(store.rows())
    store.close()


@pytest.fixture
def files_bounded() -> Iterator[Callable[[int], None]]:
    """Sets the largest file this process may write: what a full disk does, without root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("failing", ["push", "close"])
def test_a_write_that_fails_is_a_fault_and_the_store_stays_whole(
    tmp_path: Path, files_bounded: Callable[[int], None], failing: str
) -> None:
    """With no room left the store says what to look at; what is on disk is a whole block."""
    store = StateStore.open(tmp_path)
    for height in range(150):
        store.push(height, store.stage(block(height)), meta=height.to_bytes(8, "big"))
    if failing == "close":
        store.flush()
    staged = store.stage(block(150))
    files_bounded(1_000)
    step = store.close if failing == "close" else partial(store.push, 150, staged)
    with pytest.raises(StoreFailed, match="look at the disk's free space"):
        step()
    store._disk.drop()
    files_bounded(resource.RLIM_INFINITY)

    assert check_whole(tmp_path, 149) >= 85


def test_a_disk_without_room_is_no_damage(
    tmp_path: Path, files_bounded: Callable[[int], None]
) -> None:
    """A store that cannot be opened for lack of room stays where it is, whole."""
    folder = tmp_path / "state"
    store = open_store(folder)
    for height in range(70):
        store.push(height, store.stage(block(height)), meta=height.to_bytes(8, "big"))
    store.close()
    files_bounded(0)
    with pytest.raises(StoreFailed, match="look at the disk's free space"):
        open_store(folder)
    files_bounded(resource.RLIM_INFINITY)

    assert ["state"] == [path.name for path in tmp_path.iterdir()]
    assert 69 == check_whole(folder, 69)


def test_many_buckets_are_regrouped_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many batches another T takes, it counts only when all are written."""
    monkeypatch.setattr(disk_file, "_BATCH_RECORDS", 7)
    store = StateStore.open(tmp_path, levels=4)
    store.push(0, store.stage(block(0)), meta=bytes(8))
    root = store.root
    store.close()
    store = StateStore.open(tmp_path, levels=9)

    assert root == store.root

    store.close()
