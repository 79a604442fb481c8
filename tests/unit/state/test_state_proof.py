"""State proofs: a proof is accepted for what it shows, and nothing made from it for anything."""

import random

import pytest

from salus.base.errors import Category
from salus.state import tree
from salus.state.proof import (
    EMPTY,
    Kind,
    Proof,
    ProofRefused,
    Reason,
    leaf_of,
    node_of,
    path_of,
    value_hash_of,
    verify_absent,
    verify_present,
)
from tests.unit.state.test_state_tree import MemoryTree

ROWS = {b"\x0f\x01" + number.to_bytes(2, "big"): b"value %d" % number for number in range(400)}
GAPS = [b"\x0f\x02" + number.to_bytes(2, "big") for number in range(60)]


@pytest.fixture(scope="module")
def grown() -> MemoryTree:
    """A tree over ROWS whose buckets hold several rows each."""
    it = MemoryTree(6)
    it.push(it.stage(dict(ROWS)))
    return it


def made(grown: MemoryTree, key: bytes) -> bytes:
    """The proof of that key."""
    return tree.prove(grown, path_of(key)).encode()


def refused(root: bytes, key: bytes, value: bytes | None, proof: bytes) -> Reason:
    """The reason for which a proof is refused."""
    try:
        if value is None:
            verify_absent(root, key, proof)
        else:
            verify_present(root, key, value, proof)
    except ProofRefused as refusal:
        return refusal.reason
    pytest.fail(f"accepted: {proof.hex()}")


def ends_as(grown: MemoryTree, kind: Kind) -> tuple[bytes, Proof]:
    """A key that is not there, whose path ends that way."""
    proofs = ((key, tree.prove(grown, path_of(key))) for key in GAPS)
    return next((key, proof) for key, proof in proofs if proof.kind is kind)


def test_proofs_hold(grown: MemoryTree) -> None:
    """Every row is proved present, every gap absent; and both kinds of absence occur."""
    for key, value in ROWS.items():
        verify_present(grown.heap.root, key, value, made(grown, key))
    for key in GAPS:
        verify_absent(grown.heap.root, key, made(grown, key))

    kinds = {tree.prove(grown, path_of(key)).kind for key in GAPS}
    assert {Kind.EMPTY, Kind.OTHER_LEAF} == kinds


def test_the_smallest_trees() -> None:
    """Without rows absence is four bytes; with one row its proof is four bytes."""
    key, value = b"\x0f\x01\x00", b"only"
    leaf = leaf_of(path_of(key), value_hash_of(value))
    verify_absent(EMPTY, key, b"\x01\x01\x00\x00")
    verify_present(leaf, key, value, b"\x01\x00\x00\x00")
    verify_absent(leaf, GAPS[0], b"\x01\x02\x00\x00" + path_of(key) + value_hash_of(value))


def test_claims_that_do_not_fit_are_refused(grown: MemoryTree) -> None:
    """Another value, another row, another root, presence for absence and the reverse."""
    root = grown.heap.root
    key, other = list(ROWS)[:2]
    proof = made(grown, key)

    assert refused(root, key, b"another", proof) is Reason.ROOT_DIFFERS
    assert refused(root, other, ROWS[key], proof) is Reason.ROOT_DIFFERS
    assert refused(bytes(31) + b"\x01", key, ROWS[key], proof) is Reason.ROOT_DIFFERS
    assert refused(root, key, None, proof) is Reason.WRONG_KIND
    assert refused(root, GAPS[0], b"", made(grown, GAPS[0])) is Reason.WRONG_KIND


def test_each_malformed_proof_has_its_reason(grown: MemoryTree) -> None:
    """One row per refusal of the format (`ledger.md` §3.3), in the order they are checked."""
    key = next(iter(ROWS))
    value = ROWS[key]
    good = made(grown, key)
    levels = int.from_bytes(good[2:4], "big")
    mask_end = 4 + (levels + 7) // 8
    table = {
        Reason.TRUNCATED: good[:-1],
        Reason.VERSION_UNKNOWN: b"\x02" + good[1:],
        Reason.KIND_UNKNOWN: b"\x01\x03" + good[2:],
        Reason.TOO_LONG: good[:2] + (257).to_bytes(2, "big") + good[4:],
        Reason.ZERO_SIBLING: good[:mask_end] + EMPTY + good[mask_end + 32 :],
        Reason.LEFT_OVER: good + b"\x00",
    }
    for reason, proof in table.items():
        assert refused(grown.heap.root, key, value, proof) is reason
    assert refused(grown.heap.root, key, value, b"") is Reason.TRUNCATED
    assert refused(grown.heap.root, key, value, b"\x01\x00\x00\x01\x81") is Reason.STRAY_BITS
    deepest = Proof(Kind.PRESENT, [node_of(EMPTY, EMPTY), EMPTY]).encode()
    assert refused(grown.heap.root, key, value, deepest) is Reason.EMPTY_DEEPEST


def test_false_other_leaves_are_refused(grown: MemoryTree) -> None:
    """Absence by the row's own leaf, and by a leaf that does not lie on the path."""
    root = grown.heap.root
    key = next(iter(ROWS))
    own = Proof(
        Kind.OTHER_LEAF,
        tree.prove(grown, path_of(key)).siblings,
        (path_of(key), value_hash_of(ROWS[key])),
    )
    absent, proof = ends_as(grown, Kind.OTHER_LEAF)
    assert proof.other is not None
    flipped = bytes((proof.other[0][0] ^ 0x80,)) + proof.other[0][1:]
    elsewhere = Proof(Kind.OTHER_LEAF, proof.siblings, (flipped, proof.other[1]))

    assert refused(root, key, None, own.encode()) is Reason.SAME_PATH
    assert refused(root, absent, None, elsewhere.encode()) is Reason.OTHER_PREFIX


def test_no_mutation_is_accepted(grown: MemoryTree) -> None:
    """Bytes flipped, cut, doubled, inserted; siblings swapped, dropped, repeated: all refused."""
    chance = random.Random(3)
    keys = [*chance.sample(list(ROWS), 20), *GAPS[:20]]
    for key in keys:
        good = made(grown, key)
        proof = Proof.decode(good)
        for mutated in [*_bytes_edited(good, chance), *_structure_edited(proof)]:
            if mutated != good:
                refused(grown.heap.root, key, ROWS.get(key), mutated)
                refused(grown.heap.root, key, None if key in ROWS else b"", mutated)


def _bytes_edited(good: bytes, chance: random.Random) -> list[bytes]:
    edited = [good[:end] for end in range(0, len(good), 7)] + [good + good[-32:]]
    for _ in range(60):
        at = chance.randrange(len(good))
        flip = bytes((good[at] ^ 1 << chance.randrange(8),))
        edited += [good[:at] + flip + good[at + 1 :], good[:at] + b"\x00" + good[at:]]
        edited.append(good[:at] + good[at + 1 :])
    return edited


def _structure_edited(proof: Proof) -> list[bytes]:
    siblings = list(proof.siblings)
    edited = [siblings[1:], siblings[:-1], [*siblings, siblings[0]], siblings[::-1]]
    edited += [
        [*siblings[:at], siblings[at + 1], siblings[at], *siblings[at + 2 :]]
        for at in range(len(siblings) - 1)
    ]
    return [Proof(proof.kind, other, proof.other).encode() for other in edited]


def test_encoding_round_trips(grown: MemoryTree) -> None:
    """A proof's bytes are the only bytes of that proof."""
    for key in [*ROWS, *GAPS]:
        data = made(grown, key)

        assert data == Proof.decode(data).encode()


def test_refusal_is_a_problem_for_doors() -> None:
    """Doors translate it by its category and name; its text names the check, not the content."""
    problem = ProofRefused(Reason.LEFT_OVER)

    assert problem.category is Category.UNVERIFIED
    assert str(problem).startswith("ProofRefused: the state proof has bytes left over")
    assert problem.facts == {"check": "LEFT_OVER"}
