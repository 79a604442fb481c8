"""The state tree: whatever the batches and T, its root is that of the naive tree."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base import codec
from salus.state import tree
from salus.state.heap import SLOT_BYTES, Heap
from salus.state.proof import EMPTY, path_of, verify_absent, verify_present
from tests.unit.state.naive import root_of

KEYS = [b"\x0f\x01" + bytes([number]) for number in range(60)]
CHANGES = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=3), max_size=40)
BATCHES = st.lists(CHANGES, max_size=6)


class MemoryTree:
    """A heap with its buckets in a dictionary: the tree without layers and disk."""

    def __init__(self, levels: int) -> None:
        """Start without rows."""
        self.levels = levels
        self.heap = Heap(levels)
        self.records: dict[int, bytes] = {}
        self.slot: Callable[[int], bytes] = self.heap.slot
        self.kind: Callable[[int], int] = self.heap.kinds.__getitem__

    def record(self, number: int) -> bytes:
        """The bucket's record."""
        return self.records.get(number, b"")

    def stage(self, changes: dict[bytes, bytes | None]) -> tree.Staged:
        """Work changes out."""
        return tree.stage(self.heap, 0, changes, self._records)

    def push(self, staged: tree.Staged) -> None:
        """Make them."""
        self.heap.apply(staged.climb)
        self.records.update(staged.records)

    def _records(self, numbers: list[int]) -> Sequence[bytes]:
        return [self.record(number) for number in numbers]


def put(rows: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> None:
    """Make changes to plain rows."""
    for key, value in changes.items():
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value


@given(batches=BATCHES, levels=st.integers(1, 9))
@settings(deadline=None, max_examples=150)
def test_root_equals_the_naive_tree(batches: list[dict[bytes, bytes | None]], levels: int) -> None:
    """Any inserts, changes, removals, in any batches, at any T, give the naive root and count."""
    it, rows = MemoryTree(levels), dict[bytes, bytes]()
    for changes in batches:
        staged = it.stage(changes)
        count_before = len(rows)
        put(rows, changes)
        it.push(staged)

        assert root_of(rows) == staged.root == it.heap.root
        assert len(rows) - count_before == staged.row_delta


@given(batches=BATCHES, levels=st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_every_row_and_every_gap_is_provable(
    batches: list[dict[bytes, bytes | None]], levels: int
) -> None:
    """After any batches each key is provably there with its value, or provably not."""
    it, rows = MemoryTree(levels), dict[bytes, bytes]()
    for changes in batches:
        it.push(it.stage(changes))
        put(rows, changes)
    for key in KEYS:
        proof = tree.prove(it, path_of(key)).encode()
        if key in rows:
            verify_present(it.heap.root, key, rows[key], proof)
        else:
            verify_absent(it.heap.root, key, proof)


@given(batches=BATCHES, levels=st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_a_heap_built_from_buckets_equals_the_grown_one(
    batches: list[dict[bytes, bytes | None]], levels: int
) -> None:
    """A start from the bucket roots gives every slot and kind that the changes gave."""
    it = MemoryTree(levels)
    for changes in batches:
        it.push(it.stage(changes))
    built = Heap(levels)
    built.fill((n, record[:32], record[32]) for n, record in sorted(it.records.items()) if record)

    assert it.heap.root == built.root
    assert it.heap.kinds == built.kinds
    assert it.heap.slots[SLOT_BYTES:] == built.slots[SLOT_BYTES:]


@pytest.mark.parametrize("levels", [1, 3, 8])
def test_staging_changes_nothing(levels: int) -> None:
    """Two changes staged on one tip do not see each other, and the tip sees neither."""
    it = MemoryTree(levels)
    it.push(it.stage(dict.fromkeys(KEYS[:30], b"old")))
    root, slots, kinds = it.heap.root, it.heap.slots[:], bytes(it.heap.kinds)
    first = it.stage(dict.fromkeys(KEYS[:50], b"first"))
    second = it.stage(dict.fromkeys(KEYS[10:20]))

    assert (root, slots, kinds) == (it.heap.root, it.heap.slots[:], bytes(it.heap.kinds))

    it.push(second)

    expected = dict.fromkeys(KEYS[:10] + KEYS[20:30], b"old")
    assert root_of(expected) == it.heap.root
    assert first.root == root_of(dict.fromkeys(KEYS[:50], b"first"))


def test_no_changes_keep_the_root() -> None:
    """An empty block changes nothing."""
    it = MemoryTree(4)

    assert it.stage({}).root == EMPTY

    it.push(it.stage({KEYS[0]: b"x"}))

    assert it.stage({}).root == it.heap.root


def test_anchor() -> None:
    """Three rows lead to the root that `ledger.md` §10 gives, at any T."""
    key_id = bytes.fromhex("f197986bc4f178d5fb097ac82982b1b3")
    rows: dict[bytes, bytes | None] = {
        b"\x00\x02" + key_id: codec.encode({"bits": bytes(32), "floor": 1}),
        b"\x09\x02" + key_id: codec.encode({"lines": 1}),
        b"\x09\x01\x01\x00\x02": codec.encode({"text": "VIEW_RESOURCE"}),
    }
    expected = "4219fad1e3049204411b55391f2b6e45ed13064b01bb9750de23c344de08cc48"
    for levels in (1, 2, 7, 12):
        assert expected == MemoryTree(levels).stage(rows).root.hex()


def test_deep_twins_share_a_bucket_and_are_told_apart() -> None:
    """Rows that agree in their first 16 bits fork below the buckets, at their first difference."""
    twins: dict[bytes, list[bytes]] = {}
    for number in range(2_000):
        key = b"\x0f\x01" + number.to_bytes(4, "big")
        twins.setdefault(path_of(key)[:2], []).append(key)
    close = next(keys for keys in twins.values() if len(keys) > 1)
    it = MemoryTree(2)
    it.push(it.stage(dict.fromkeys(close, b"twin")))

    assert root_of(dict.fromkeys(close, b"twin")) == it.heap.root

    for key in close:
        proof = tree.prove(it, path_of(key))
        verify_present(it.heap.root, key, b"twin", proof.encode())

        assert len(proof.siblings) > 16


LEVELS = {0: 12, 1: 12, 10_240: 12, 10_241: 13, 200_000: 17, 5_000_000: 21, 10**9: 22}


@pytest.mark.parametrize(("rows", "levels"), LEVELS.items())
def test_levels_follow_the_rows(rows: int, levels: int) -> None:
    """T = ⌈log2(rows / 2.5)⌉ within 12-22."""
    assert levels == tree.levels_for(rows)
