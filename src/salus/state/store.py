"""
The state store: the tip with up to 64 last blocks in memory, the base on disk.

A block is staged (its root worked out, nothing changed), then pushed: it becomes the tip as a
layer. The oldest layers move to the disk, one batch a layer. A crash loses the layers and nothing
else: the caller replays its journal from `base_height + 1`. One thread writes (stage, push, flush,
close); any number read (get, extra, prove, root_at, rows).
"""

import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from salus.base.errors import Category, Problem, invariant
from salus.state import heap_file, tree
from salus.state.disk import Base, Disk, StoreDamaged, StoreFailed, StoreInUse, broken, rows_of
from salus.state.heap import Heap
from salus.state.layers import Extra, Layer, Newest, PastView, make_layer
from salus.state.proof import path_of
from salus.state.recent import Recent
from salus.state.tree import Staged

__all__ = [
    "HEIGHTS_KEPT",
    "HeightTooOld",
    "HeightUnknown",
    "Staged",
    "StateStore",
    "StoreDamaged",
    "StoreFailed",
    "StoreInUse",
]

HEIGHTS_KEPT = 64
"""Layers in memory: so many blocks back a row can be proved."""

LAYER_ROWS_MAX = 100_000
"""Changed rows in all layers together; bounds their memory to about 100 MB."""

LAYER_REPLAY_BYTES_MAX = 6 * 1024 * 1024
"""Transactions in all layers together: what a start works out again after a kill.

Some 20,000 small ones, one to three seconds (0.2 to 0.4 µs a byte); a full block is 4 MiB.
"""

LEVELS_LARGE = 20
"""T grows by two up to here (70 MB of heap, half the pauses), by one above, to spare memory."""


class HeightTooOld(Problem):
    """The state at that height is no longer kept."""

    def __init__(self, asked: int, oldest: int) -> None:
        """`asked`: the height asked for; `oldest`: the oldest that can be answered."""
        text = (
            f"expected a height of {oldest} or above, found {asked}; ask for a newer height, "
            "or use a proof kept from then"
        )
        super().__init__(Category.GONE, "HeightTooOld", text, asked=asked, oldest=oldest)


class HeightUnknown(Problem):
    """There is no state of that height yet."""

    def __init__(self, asked: int, newest: int) -> None:
        """`asked`: the height asked for; `newest`: the tip."""
        text = f"expected a height of {newest} or below, found {asked}; wait for that block"
        super().__init__(Category.NOT_FOUND, "HeightUnknown", text, asked=asked, newest=newest)


class StateStore:
    """The authenticated state of one ledger, in one folder."""

    def __init__(
        self, disk: Disk, base: Base, heap: Heap, *, kept_heap: Path, fixed_levels: bool
    ) -> None:
        """Use `open`."""
        self._kept_heap = kept_heap
        self._disk = disk
        self._base = base
        self._heap = heap
        self._fixed_levels = fixed_levels
        self._lock = threading.Lock()
        self._layers: list[Layer] = []
        self._values: Newest[bytes] = Newest()
        self._records: Newest[int] = Newest()
        self._extras: Newest[tuple[str, bytes]] = Newest()
        self._recent = Recent()
        self._pushes = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        levels: int | None = None,
        die: Callable[[str], NoReturn] = broken,
    ) -> "StateStore":
        """
        Open or make the store in a folder; its tip is its base.

        `levels`: T, 1–22, fixed; without it T follows the number of rows. The heap is loaded after
        a clean stop, else built from the buckets. `die`: called with the reason when the disk fails
        under it, now or later (EIO); it must not return. Raises StoreInUse: another process has it;
        StoreDamaged: RocksDB cannot read it, or the buckets lead to another root than the base's.
        """
        disk = Disk(folder, die)
        try:
            base = disk.base(levels or tree.LEVELS_MIN)
            file = folder / "heap"
            heap = _heap_at(disk, base, file)
            store = cls(disk, base, heap, kept_heap=file, fixed_levels=levels is not None)
            if levels not in (None, base.levels):
                store._regroup(levels or base.levels)
            store._grow()
        except BaseException:
            disk.drop()
            raise
        return store

    @property
    def base_height(self) -> int:
        """The height on disk: what a crash falls back to; −1 before anything was pushed."""
        return self._base.height

    @property
    def base_meta(self) -> bytes:
        """The note that was pushed with the base's height."""
        return self._base.meta

    @property
    def tip_height(self) -> int:
        """The newest height; −1 before anything was pushed."""
        newest = self._layers[-1:]  # one step: a writer may empty the list
        return newest[0].height if newest else self._base.height

    @property
    def root(self) -> bytes:
        """The state root of the tip; 32 B."""
        return self._heap.root

    @property
    def row_count(self) -> int:
        """How many rows the tip has."""
        newest = self._layers[-1:]
        return newest[0].row_count if newest else self._base.row_count

    def get(self, state_key: bytes) -> bytes | None:
        """The row's value at the tip, or None."""
        pushes = self._pushes
        layer = self._values.find(state_key)
        if layer is not None:
            return layer.values[state_key]
        value = self._recent.find(state_key)
        if value is not None:
            return value
        value = self._disk.value(path_of(state_key), state_key)
        if value:
            with self._lock:
                # What was pushed meanwhile may be this row's next value.
                if pushes == self._pushes:
                    self._recent.keep(state_key, value)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values at the tip, in the order of the keys; beside a writer, each of some tip."""
        found = [self._values.find(key) for key in keys]
        missing = [
            (path_of(key), key) for key, layer in zip(keys, found, strict=True) if layer is None
        ]
        rest = iter(self._disk.values(missing))
        return [
            layer.values[key] if layer else next(rest)
            for key, layer in zip(keys, found, strict=True)
        ]

    def stage(self, changes: Mapping[bytes, bytes | None]) -> Staged:
        """
        Work out the root after these changes to the tip, and change nothing.

        `changes`: state key -> value; None takes a row away. Several can be staged on one tip; only
        one can be pushed. O(changes · T).
        """
        return tree.stage(self._heap, self.tip_height, changes, self._tip_records)

    def push(
        self,
        height: int,
        staged: Staged,
        extras: Sequence[Extra] = (),
        meta: bytes = b"",
        *,
        replay_bytes: int = 0,
    ) -> None:
        """
        Make a staged change the new tip, at the next height (any, for the first).

        `extras`: (column family, key, value) that reach the disk together with this height, as
        does `meta`, which `base_meta` then shows. Not durable until its layer has moved: the
        journal is; `replay_bytes`: what it takes to work this height out again from there. Staging
        on another tip is a bug of the caller, as is a skipped height.
        """
        invariant(staged.tip_height == self.tip_height, "the change was staged on another tip")
        follows = self.tip_height < 0 or height == self.tip_height + 1
        invariant(follows, f"height {height} does not follow {self.tip_height}")
        layer = make_layer(
            self._heap,
            height,
            staged,
            row_count=self.row_count + staged.row_delta,
            extras=extras,
            meta=meta,
            replay_bytes=replay_bytes,
        )
        with self._lock:
            self._pushes += 1
            self._recent.forget(layer.values)
            self._heap.apply(staged.climb)
            self._values.add(layer, layer.values)
            self._records.add(layer, layer.records)
            self._extras.add(layer, layer.extras)
            self._layers.append(layer)
        self._move(self._surplus())
        self._grow()

    def extra(self, family: str, key: bytes) -> bytes | None:
        """What was pushed last under that key of a column family, or None."""
        layer = self._extras.find((family, key))
        return layer.extras[family, key] if layer else self._disk.extra(family, key)

    def prove(self, state_key: bytes, height: int | None = None) -> tuple[bytes | None, bytes]:
        """
        The row's value (or None) and its proof against the root of that height; default the tip.

        Raises HeightTooOld, HeightUnknown.
        """
        with self._lock:
            older, younger = self._layers_around(height)
            view = PastView(self._heap, younger, lambda number: self._record_in(older, number))
            path = path_of(state_key)
            proof = tree.prove(view, path).encode()
            for layer in older:
                if state_key in layer.values:
                    return layer.values[state_key], proof
            return self._disk.value(path, state_key), proof

    def root_at(self, height: int) -> bytes:
        """The state root after that height; raises HeightTooOld, HeightUnknown."""
        with self._lock:
            older, _ = self._layers_around(height)
            return older[0].root if older else self._base.root

    def rows(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """
        All rows of the tip as (state key, value), by path, whatever is pushed meanwhile.

        `prefix`: only state keys that start so; every row is read all the same. Read it to its
        end, since only there it is certain that no row was left out, and before `close`. Raises
        StoreDamaged, also when there are more or fewer rows than were counted.
        """
        with self._lock:
            snapshot = self._disk.snapshot()
            newer = self._values.items()
            expected = self.row_count
        changed = {key: layer.values[key] for key, layer in newer}
        fresh = sorted((path_of(k), k, value) for k, value in changed.items() if value is not None)
        old = (row for row in rows_of(snapshot) if row[1] not in changed)
        count = 0
        for _, state_key, value in heapq.merge(old, fresh):
            count += 1
            if state_key.startswith(prefix):
                yield state_key, value
        if count != expected:
            raise StoreDamaged(f"expected {expected} rows, found {count}")

    def flush(self) -> None:
        """Move all layers to the disk and sync it: the tip becomes the base."""
        self._move(len(self._layers))
        self._disk.sync()

    def close(self) -> None:
        """Flush, keep the heap for a fast start, and let go of the disk."""
        self.flush()
        heap_file.save(self._kept_heap, self._heap)
        self._disk.close()

    def _tip_records(self, numbers: Sequence[int]) -> list[bytes]:
        found = [self._records.find(number) for number in numbers]
        missing = [n for n, layer in zip(numbers, found, strict=True) if layer is None]
        rest = iter(self._disk.records(missing))
        return [
            layer.records[n] if layer else next(rest)
            for n, layer in zip(numbers, found, strict=True)
        ]

    def _record_in(self, older: Sequence[Layer], number: int) -> bytes:
        for layer in older:
            if number in layer.records:
                return layer.records[number]
        return self._disk.records([number])[0]

    def _layers_around(self, height: int | None) -> tuple[list[Layer], list[Layer]]:
        """The layers at or below the height, newest first, and those above, oldest first."""
        if height is None:
            return self._layers[::-1], []
        if height < self._base.height:
            raise HeightTooOld(height, self._base.height)
        if height > self.tip_height:
            raise HeightUnknown(height, self.tip_height)
        older = [layer for layer in self._layers if layer.height <= height]
        return older[::-1], self._layers[len(older) :]

    def _surplus(self) -> int:
        """How many of the oldest layers are too many, by number, rows or what a replay takes."""
        count = max(0, len(self._layers) - HEIGHTS_KEPT)
        rows = sum(len(layer.rows) for layer in self._layers[count:])
        replay_bytes = sum(layer.replay_bytes for layer in self._layers[count:])
        while rows > LAYER_ROWS_MAX or replay_bytes > LAYER_REPLAY_BYTES_MAX:
            rows -= len(self._layers[count].rows)
            replay_bytes -= self._layers[count].replay_bytes
            count += 1
        return count

    def _move(self, count: int) -> None:
        """Move the oldest layers to the disk."""
        moving = self._layers[:count]
        if not moving:
            return
        newest = moving[-1]
        # The base rises before the disk does: from then on nobody asks for what the disk loses.
        with self._lock:
            self._base = Base(
                newest.height, self._heap.levels, newest.row_count, newest.root, newest.meta
            )
        self._disk.write(moving, self._heap.levels)
        with self._lock:
            del self._layers[:count]
            for layer in moving:
                self._values.drop(layer, layer.values)
                self._records.drop(layer, layer.records)
                self._extras.drop(layer, layer.extras)

    def _grow(self) -> None:
        """More levels once buckets hold over 2.5 rows on average: a pause of O(rows)."""
        levels = self._heap.levels
        if tree.levels_for(self.row_count) > levels and not self._fixed_levels:
            self._regroup(levels + (2 if levels < LEVELS_LARGE else 1))

    def _regroup(self, levels: int) -> None:
        """Change T; heights below the tip can no longer be proved."""
        self._move(len(self._layers))
        self._disk.regroup(self._base, levels)
        heap = _built(self._disk, levels)
        _check_root(heap, self._base)
        with self._lock:
            self._disk.adopt(self._base, levels)
            self._base = self._base._replace(levels=levels)
            self._heap = heap


def _heap_at(disk: Disk, base: Base, file: Path) -> Heap:
    """The base's heap; raises StoreDamaged if the buckets lead to another root."""
    heap = heap_file.load(file, base.levels, base.root) or _built(disk, base.levels)
    _check_root(heap, base)
    return heap


def _built(disk: Disk, levels: int) -> Heap:
    heap = Heap(levels)
    heap.fill((number, record[:32], record[32]) for number, record in disk.buckets(levels))
    return heap


def _check_root(heap: Heap, base: Base) -> None:
    if heap.root != base.root:
        raise StoreDamaged("its buckets lead to another root than the one noted with its base")
