"""A request proves its leaf and names its wants once; an answer is for one session alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import codec, merkle
from salus.base.codec import Malformed
from salus.base.hashing import sha256, u8
from salus.base.merkle import PathRefused
from salus.base.sealing import SealingKey, SealRefused
from salus.sealed import grants, release
from salus.sealed.release import (
    NOT_COVERED,
    RELEASED,
    IntentTree,
    ReleaseRequest,
    Share,
    ShownTerms,
    Want,
)
from tests.unit.sealed.grant_world import CHAIN, CONTROL_KEYS, LEAF, LEAF_BYTES, MEMBER, TAGS
from tests.unit.sealed.grant_world import TERMS_BYTES as TERMS

VECTORS = Path(__file__).parents[2] / "vectors" / "release" / "release.json"
SESSION = SealingKey(bytes([8]) * 32)
WANTS = [Want(batch=bytes([1]) * 16, group=0), Want(batch=bytes([1]) * 16, group=2)]
PLACE = release.release_place(LEAF.intent, 3, WANTS)
REQUEST = ReleaseRequest(
    commitment=grants.commitment(TERMS),
    index=0,
    leaf=LEAF_BYTES,
    member=MEMBER,
    path=[],
    sequence=1,
    wants=WANTS,
)


def zeros(size: int) -> bytes:
    """No randomness, so that a tree is the same each time."""
    return bytes(size)


def drawn(values: list[str]) -> Callable[[int], bytes]:
    """A source of randomness that gives these values, one after another."""
    rest = iter(values)
    return lambda _size: bytes.fromhex(next(rest))


def test_vectors() -> None:
    """Intent roots, paths, places and answers are the same in every language."""
    suite = json.loads(VECTORS.read_text())
    for case in suite["intents"]:
        leaves = [bytes.fromhex(leaf) for leaf in case["leaves"]]
        tree = IntentTree(leaves, drawn(case["padding"]))

        assert case["root"] == tree.root.hex()
        assert case["path"] == [one.hex() for one in tree.path(case["index"])]
    for case in suite["answers"]:
        wants = [
            Want(batch=bytes.fromhex(one["batch"]), group=one["group"]) for one in case["wants"]
        ]
        place = release.release_place(bytes.fromhex(case["intent"]), case["x"], wants)
        key = SealingKey(bytes.fromhex(case["session_private"]))
        opened = release.open_shares(
            key, bytes.fromhex(case["chain"]), place, bytes.fromhex(case["sealed"]), len(wants)
        )

        assert case["place"] == place.hex()
        assert case["answers"] == [one.answer for one in opened]
        assert case["shares"] == [one.share.hex() for one in opened]


@pytest.mark.parametrize(
    ("leaves", "bucket"), [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (65, 512), (512, 512)]
)
def test_leaves_fill_a_bucket(leaves: int, bucket: int) -> None:
    """The number of leaves shows as one of four."""
    assert bucket == release.bucket_of(leaves)


@pytest.mark.parametrize("leaves", [0, 513])
def test_an_intent_has_1_to_512_leaves(leaves: int) -> None:
    """None, or more than a bucket holds, is the caller's mistake."""
    with pytest.raises(ValueError, match="1 to 512"):
        release.bucket_of(leaves)


@given(st.integers(min_value=1, max_value=70), st.data())
def test_each_leaf_proves_itself(count: int, data: st.DataObject) -> None:
    """Any leaf's path leads to the root, and to no root for another leaf or position."""
    leaves = [codec.encode(msgspec.structs.replace(LEAF, session_ms=i + 1)) for i in range(count)]
    tree = IntentTree(leaves, zeros)
    index = data.draw(st.integers(min_value=0, max_value=count - 1))
    request = msgspec.structs.replace(
        REQUEST, index=index, leaf=leaves[index], path=tree.path(index)
    )
    release.check_path(request, tree.root, tree.size)

    assert merkle.root(leaves[:1]) == tree.root or count > 1
    if count > 1:
        stolen = msgspec.structs.replace(request, leaf=leaves[index - 1])
        with pytest.raises(PathRefused):
            release.check_path(stolen, tree.root, tree.size)


REFUSED: dict[str, dict[str, Any]] = {
    "no want": {"wants": []},
    "4,001 wants": {"wants": [{"batch": bytes(16), "group": group} for group in range(4_001)]},
    "a want twice": {"wants": [WANTS[0], WANTS[0]]},
    "wants out of order": {"wants": [*reversed(WANTS)]},
    "neither commitment nor terms": {"commitment": None},
    "commitment and terms": {"shown": {"openings": [], "terms": TERMS}},
    "a path too long": {"path": [bytes(32)] * 10},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED.keys())
def test_requests_out_of_form_do_not_decode(fields: dict[str, Any]) -> None:
    """A witness decides about well-formed requests only; the rest is W1."""
    plain = {**msgspec.msgpack.decode(codec.encode(REQUEST)), **fields}
    sent = {name: value for name, value in plain.items() if value is not None}

    with pytest.raises(Malformed):
        codec.decode(codec.encode(sent), ReleaseRequest)


def test_a_full_request_is_far_below_a_megabyte() -> None:
    """4,000 wants with terms and 32 openings fit the door's bound."""
    opening = grants.sign_opening(CONTROL_KEYS[0], CHAIN, TERMS, TAGS[0])
    request = ReleaseRequest(
        index=511,
        leaf=LEAF_BYTES,
        member=MEMBER,
        path=[bytes(32)] * 9,
        sequence=1,
        shown=ShownTerms(openings=[opening] * 32, terms=bytes(16_384)),
        wants=[Want(batch=bytes([1]) * 16, group=group) for group in range(4_000)],
    )

    assert len(codec.encode(request)) < 200_000


def test_shares_come_back_with_their_answers() -> None:
    """A share a want; a refused want has zeros, whatever the witness held (corrections 23)."""
    held = [Share(RELEASED, bytes([5]) * 32), Share(NOT_COVERED, bytes([6]) * 32)]
    sealed = release.seal_shares(SESSION.public, CHAIN, PLACE, held)
    expected = [Share(RELEASED, bytes([5]) * 32), Share(NOT_COVERED, bytes(32))]

    assert 48 + 33 * 2 == len(sealed)
    assert expected == release.open_shares(SESSION, CHAIN, PLACE, sealed, 2)
    assert LEAF.intent + u8(3) + sha256(codec.encode(WANTS)) == PLACE


def test_an_answer_is_for_its_session_seat_and_wants() -> None:
    """Nobody else opens it, and it cannot be passed off as another seat's or other wants'."""
    sealed = release.seal_shares(SESSION.public, CHAIN, PLACE, [Share(RELEASED, bytes(32))] * 2)
    other = SealingKey(bytes([9]) * 32)
    for key, place, count in (
        (other, PLACE, 2),
        (SESSION, release.release_place(LEAF.intent, 4, WANTS), 2),
        (SESSION, release.release_place(LEAF.intent, 3, WANTS[:1]), 2),
        (SESSION, PLACE, 3),
    ):
        with pytest.raises(SealRefused):
            release.open_shares(key, CHAIN, place, sealed, count)


def test_every_refusal_says_what_next() -> None:
    """W1-W13 and W16 have a name and a next step; a 403 names its ground (45 CFR 171)."""
    assert [*range(1, 14), 16] == sorted(release.REASONS)
    for number, why in release.REASONS.items():
        refusal = release.refuse(number)

        assert f"W{number}" == refusal.code
        assert refusal.name
        assert refusal.next
        assert (why.category.http_status == 403) == (refusal.exception is not None)
    assert release.refuse(10, since_ms=5).since_ms == 5
