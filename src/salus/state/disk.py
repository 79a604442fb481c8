"""
What of the state lies on disk: RocksDB with six column families.

| column family | key -> value |
| --- | --- |
| `state` | path 32 -> key length u8 ‖ state key ‖ value |
| `buckets` | bucket number u32 -> record (`bucket.py`) |
| `receipts`, `index`, `vault`, `meta` | the caller's extras |
| `meta` | `base` -> version u8 ‖ T u8 ‖ height i64 ‖ rows u64 ‖ root 32 ‖ the caller's note |

All of a block is written in one batch, so the disk always stands at one height: the base.
"""

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from rocksdict import Cache, Rdict, Snapshot, WriteBatch

from salus.base.errors import Fault
from salus.state import bucket, rocks
from salus.state.layers import Layer
from salus.state.proof import EMPTY

FAMILIES = ("state", "buckets", "receipts", "index", "vault", "meta")

OPTIONS_FILE = "OPTIONS-"
"""How the names of RocksDB's notes about its own settings begin."""

_BASE_KEY = b"base"
_BASE = struct.Struct(">BBqQ32s")
_VERSION = 1
_BATCH_RECORDS = 20_000

_DISK_REFUSES = (
    "No space left",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Permission denied",
    "Too many open files",
)
"""Reasons of the system for which RocksDB does not open, though what is there may be whole."""

_DISK_FAILS = "Input/output error"
"""The system's words for EIO, as RocksDB passes them on."""

_BROKEN = "a write or sync of the state store failed (EIO)"


class StoreDamaged(Fault):
    """The state store cannot be read, or contradicts itself; it can be rebuilt from the journal."""

    def __init__(self, found: str) -> None:
        """`found`: what was expected and what came, without any row's content."""
        super().__init__(
            f"state store damaged: {found}; stop the node, remove its state folder and start "
            "again: the state is replayed from the journal"
        )


class StoreInUse(Fault):
    """Another process has the store open."""

    def __init__(self) -> None:
        """Say so; the folder is whole."""
        super().__init__("the state store is in use by another process: stop that one first")


class StoreFailed(Fault):
    """RocksDB could not write; what is on the disk stands at some whole block."""

    def __init__(self) -> None:
        """Say what an operator looks at."""
        super().__init__(
            "the state store cannot be written: look at the disk's free space and health, then "
            "start the node again"
        )


def broken(_reason: str) -> NoReturn:
    """What a disk that fails means where no process has to end for it."""
    raise StoreFailed


class Base(NamedTuple):
    """The height the disk stands at."""

    height: int
    """−1 before anything was pushed."""

    levels: int
    """T of the bucket numbers."""

    row_count: int
    root: bytes
    meta: bytes
    """The caller's note that went with this height."""


class Disk:
    """The open store. What RocksDB cannot read is `StoreDamaged`, cannot write `StoreFailed`."""

    def __init__(self, folder: Path, die: Callable[[str], NoReturn] = broken) -> None:
        """Open the store in the folder, making it if need be; `die`: as for `StateStore.open`."""
        self._die = die
        folder.mkdir(parents=True, exist_ok=True)
        cache = Cache(rocks.CACHE_BYTES)
        forget_options(folder / "rocks")
        try:
            self._db = Rdict(
                str(folder / "rocks"),
                rocks.database_options(),
                column_families={name: rocks.family_options(name, cache) for name in FAMILIES},
            )
        except Exception as error:
            if "LOCK" in str(error):
                raise StoreInUse from error
            if _DISK_FAILS in str(error):
                die(_BROKEN)
            if any(words in str(error) for words in _DISK_REFUSES):
                raise StoreFailed from error
            raise StoreDamaged("RocksDB cannot open it") from error
        self._families = {name: self._db.get_column_family(name) for name in FAMILIES}
        self._handles = {name: self._db.get_column_family_handle(name) for name in FAMILIES}

    def base(self, levels: int) -> Base:
        """Where the disk stands; of a new store: nothing yet, with this T."""
        record = self.extra("meta", _BASE_KEY)
        if record is None:
            if next(iter(self._families["buckets"].keys()), None) is not None:
                raise StoreDamaged("it has buckets but no base")
            return Base(-1, levels, 0, EMPTY, b"")
        return read_base(record)

    def value(self, path: bytes, state_key: bytes) -> bytes | None:
        """The row's value at the base, or None."""
        family = self._families["state"]
        try:
            row = family.get(path)
        except Exception as error:
            raise StoreDamaged("RocksDB cannot read a row") from error
        return None if row is None else _value_of(row, state_key)

    def values(self, rows: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """The values at the base of (path, state key), in that order."""
        family = self._families["state"]
        try:
            found = family.get([path for path, _ in rows]) if rows else []
        except Exception as error:
            raise StoreDamaged("RocksDB cannot read rows") from error
        return [
            None if row is None else _value_of(row, state_key)
            for row, (_, state_key) in zip(found or (), rows, strict=True)
        ]

    def records(self, numbers: Sequence[int]) -> list[bytes]:
        """The buckets' records at the base, in that order; `b""` without rows."""
        keys: list[Any] = [number.to_bytes(4, "big") for number in numbers]
        family = self._families["buckets"]
        try:
            found = family.get(keys) if keys else []
        except Exception as error:
            raise StoreDamaged("RocksDB cannot read buckets") from error
        return [record or b"" for record in found or ()]

    def extra(self, family: str, key: bytes) -> bytes | None:
        """What the caller stored under a key of a column family, or None."""
        table = self._families[family]
        try:
            value: bytes | None = table.get(key)
        except Exception as error:
            raise StoreDamaged(f"RocksDB cannot read {family}") from error
        return value

    def snapshot(self) -> Snapshot:
        """The state rows as they stand now, for `rows_of`."""
        return self._families["state"].snapshot()

    def buckets(self, levels: int) -> Iterator[tuple[int, bytes]]:
        """
        All buckets of that T as (number, record), ascending.

        A damaged block ends the iteration without a word (rocksdict 0.3): the caller compares the
        root.
        """
        first = 1 << levels
        items: Any = self._families["buckets"].items(from_key=first.to_bytes(4, "big"))
        for key, record in items:
            number = int.from_bytes(key, "big")
            if number >= 2 * first:
                return
            yield number, record

    def write(self, layers: Sequence[Layer], levels: int) -> None:
        """Move layers to the disk, oldest first, in one batch: the newest becomes the base."""
        batch = WriteBatch(raw_mode=True)
        state, buckets = self._handles["state"], self._handles["buckets"]
        put, delete = batch.put, batch.delete
        for layer in layers:
            for path, state_key, value in layer.rows:
                if value is None:
                    delete(path, state)
                else:
                    put(path, len(state_key).to_bytes(1, "big") + state_key + value, state)
            for number, record in layer.records.items():
                if record:
                    put(number.to_bytes(4, "big"), record, buckets)
                else:
                    delete(number.to_bytes(4, "big"), buckets)
            for (family, key), value in sorted(layer.extras.items()):
                put(key, value, self._handles[family])
        newest = layers[-1]
        self._put_base(
            batch, Base(newest.height, levels, newest.row_count, newest.root, newest.meta)
        )
        self._write(batch)

    def regroup(self, base: Base, levels: int) -> None:
        """
        Write the records for another T beside the present ones; `adopt` makes them count.

        O(rows). The caller compares the root before it adopts them. An end halfway leaves numbers
        that nobody reads, and the next try begins with their removal.
        """
        entries = itertools.chain.from_iterable(
            bucket.entries_of(record) for _, record in self.buckets(base.levels)
        )
        shift = 32 - levels
        groups = itertools.groupby(
            entries, lambda entry: (1 << 32 | int.from_bytes(entry[:4], "big")) >> shift
        )
        batch = WriteBatch(raw_mode=True)
        self._delete_buckets(batch, levels)
        for number, group in groups:
            record = bucket.pack(list(group), levels)
            batch.put(number.to_bytes(4, "big"), record, self._handles["buckets"])
            if len(batch) >= _BATCH_RECORDS:
                self._write(batch)
                batch = WriteBatch(raw_mode=True)
        self._write(batch)

    def adopt(self, base: Base, levels: int) -> None:
        """Let the base count by the records `regroup` wrote, and remove the others."""
        batch = WriteBatch(raw_mode=True)
        self._put_base(batch, base._replace(levels=levels))
        self._delete_buckets(batch, base.levels)
        self._write(batch)

    def sync(self) -> None:
        """Bring all that was written to stable storage."""
        with self._writing():
            self._db.flush_wal(sync=True)

    def close(self) -> None:
        """Write the memtables out, so that a start has nothing to replay, and let go."""
        try:
            with self._writing():
                for family in self._families.values():
                    family.flush()
                for handle in (*self._families.values(), self._db):
                    handle.close()  # syncs once more
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go as it is: what was written and not synced is RocksDB's to recover."""
        for handle in (*self._families.values(), self._db):
            with contextlib.suppress(Exception):  # of a damaged store; it was reported when read
                handle.close()
        # RocksDB keeps its lock until the last handle is gone.
        self._families.clear()
        self._handles.clear()

    def _put_base(self, batch: WriteBatch, base: Base) -> None:
        head = _BASE.pack(_VERSION, base.levels, base.height, base.row_count, base.root)
        batch.put(_BASE_KEY, head + base.meta, self._handles["meta"])

    def _delete_buckets(self, batch: WriteBatch, levels: int) -> None:
        begin, end = 1 << levels, 2 << levels
        batch.delete_range(
            begin.to_bytes(4, "big"), end.to_bytes(4, "big"), self._handles["buckets"]
        )

    def _write(self, batch: WriteBatch) -> None:
        with self._writing():
            self._db.write(batch)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let what RocksDB raises while it writes surface as `StoreFailed`; EIO is the end."""
        try:
            yield
        except Exception as error:
            if _DISK_FAILS in str(error):
                self._die(_BROKEN)
            raise StoreFailed from error


def read_base(record: bytes) -> Base:
    """Decode what stands under `base`; raises StoreDamaged."""
    if len(record) < _BASE.size:
        raise StoreDamaged("its base is cut short")
    version, levels, height, row_count, root = _BASE.unpack_from(record)
    if version != _VERSION:
        raise StoreDamaged(f"expected version {_VERSION} of its format, found {version}")
    return Base(height, levels, row_count, root, record[_BASE.size :])


def rows_of(snapshot: Snapshot) -> Iterator[tuple[bytes, bytes, bytes]]:
    """
    All rows of a snapshot as (path, state key, value), by path.

    A damaged block ends the iteration without a word (rocksdict 0.3): the caller counts.
    """
    items: Any = snapshot.items()
    for path, row in items:
        end = 1 + row[0]
        yield path, row[1:end], row[end:]


def _value_of(row: bytes, state_key: bytes) -> bytes:
    end = 1 + row[0]
    if row[1:end] != state_key:
        raise StoreDamaged("a row holds another row's key")
    return row[end:]


def forget_options(database: Path) -> None:
    """
    Remove RocksDB's notes of its settings, before a database is opened: ours count alone.

    rocksdict (0.3) reads the newest note at every opening, and takes a single family's settings
    from it; one flipped bit in a section's name there ends the process (SIGSEGV). RocksDB writes it
    anew.
    """
    for path in database.glob(f"{OPTIONS_FILE}*"):
        path.unlink()
