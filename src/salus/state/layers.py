"""
Layers: the newest blocks' changes, in memory above the store on disk, each with its way back.

A layer holds what a block wrote (rows, buckets, extras) and what it replaced in the heap. What was
written is looked up from the newest layer down; the heap as it stood after a block is the heap of
the tip, with each slot taken from the first younger layer that replaced it.
"""

import dataclasses
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from salus.state.heap import SLOT_BYTES, Heap
from salus.state.tree import Row, Staged

Key = TypeVar("Key")

Extra = tuple[str, bytes, bytes]
"""Column family, key, value: what travels to the disk with a block, outside the tree."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """One block's changes."""

    height: int
    root: bytes
    """The state root after the block; 32 B."""

    row_count: int
    """Rows after the block."""

    meta: bytes
    """The caller's note that goes with this height."""

    replay_bytes: int
    """What the caller reads to work the block out again, should this layer be lost."""

    rows: list[Row]
    """The changed rows, by path."""

    values: Mapping[bytes, bytes | None]
    """The same as state key -> value."""

    records: dict[int, bytes]
    """Bucket number -> record, ascending."""

    extras: dict[tuple[str, bytes], bytes]
    """(column family, key) -> value."""

    slot_numbers: "array[int]"
    """The heap slots the block replaced; ascending."""

    old_slots: bytes
    """Their 65 B each before the block."""

    old_kinds: dict[int, int]
    """Node -> kind before the block, for nodes whose kind it changed."""

    def old_slot(self, number: int) -> bytes:
        """The slot as it was before this block, `b""` if the block left it alone; O(log n)."""
        at = bisect_left(self.slot_numbers, number)
        if at < len(self.slot_numbers) and self.slot_numbers[at] == number:
            return self.old_slots[at * SLOT_BYTES : (at + 1) * SLOT_BYTES]
        return b""


def make_layer(
    heap: Heap,
    height: int,
    staged: Staged,
    *,
    row_count: int,
    extras: Iterable[Extra],
    meta: bytes,
    replay_bytes: int,
) -> Layer:
    """The layer of a staged change; the heap must not have taken the change yet."""
    levels = staged.climb.levels
    return Layer(
        height=height,
        root=staged.root,
        row_count=row_count,
        meta=meta,
        replay_bytes=replay_bytes,
        rows=staged.rows,
        values=staged.values,
        records=staged.records,
        extras={(family, key): value for family, key, value in extras},
        slot_numbers=array("I", [number for level in levels for number in level.numbers]),
        old_slots=b"".join([slot for level in levels for slot in level.old]),
        old_kinds={node: heap.kinds[node] for node in staged.climb.kinds},
    )


class Newest(Generic[Key]):
    """Which layer wrote a key last."""

    __slots__ = ("_layers",)

    def __init__(self) -> None:
        """Nothing yet."""
        self._layers: dict[Key, Layer] = {}

    def add(self, layer: Layer, keys: Iterable[Key]) -> None:
        """Take in what the newest layer wrote."""
        self._layers.update(dict.fromkeys(keys, layer))

    def drop(self, layer: Layer, keys: Iterable[Key]) -> None:
        """Let go of what the oldest layer wrote and no newer one has written again."""
        layers = self._layers
        for key in keys:
            if layers[key] is layer:
                del layers[key]

    def find(self, key: Key) -> Layer | None:
        """The layer, or None where none has the key. One step: safe beside a writer."""
        return self._layers.get(key)

    def items(self) -> list[tuple[Key, Layer]]:
        """All keys and the layers that wrote them last, in no order."""
        return list(self._layers.items())


class PastView:
    """The tree as it stood after one height."""

    __slots__ = ("_heap", "_younger", "levels", "record")

    def __init__(
        self, heap: Heap, younger: Sequence[Layer], record: Callable[[int], bytes]
    ) -> None:
        """`younger`: the layers above that height, oldest first; `record`: its bucket records."""
        self.levels = heap.levels
        self.record = record
        self._heap = heap
        self._younger = younger

    def slot(self, number: int) -> bytes:
        """The 65 B hashed for that node then."""
        for layer in self._younger:
            if slot := layer.old_slot(number):
                return slot
        return self._heap.slot(number)

    def kind(self, node: int) -> int:
        """What the subtree of that node was then."""
        for layer in self._younger:
            if node in layer.old_kinds:
                return layer.old_kinds[node]
        return self._heap.kinds[node]
