"""CometBFT's headers, votes and validator sets: its published values, and one form of each."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import merkle
from salus.base.comet import proof, wire
from salus.base.comet.commit import (
    EMPTY_PLACE,
    NO_TIME,
    BlockRefused,
    Tally,
    check_votes,
    read_commit,
    vote_bytes,
)
from salus.base.comet.header import read_header
from salus.base.comet.proof import KnownSet
from salus.base.comet.validators import Validator, read_set, set_hash
from salus.base.comet.wire import Kind, WireRefused
from salus.base.proof_file import SignedHeader
from salus.node.comet.blocks import Header
from tests.support.comet_chain import CHAIN_ID, CometChain, keys

VECTORS = Path(__file__).parents[2] / "vectors" / "comet"
SHAPE = {1: Kind.NUMBER, 2: Kind.BYTES, 15: Kind.REPEATED, 16: Kind.NUMBER}
FOUR = CometChain(keys(4))


def vector(name: str) -> Any:
    """One file of vectors."""
    return json.loads((VECTORS / name).read_text())


def final(block: SignedHeader) -> proof.FinalBlock:
    """A block, read."""
    return proof.read_block(block.header, block.commit, block.validators)


def test_a_header_has_the_published_hash() -> None:
    """`TestHeaderHash` of CometBFT."""
    told = vector("header_hash.json")
    header = msgspec.convert(told["header"], Header)

    assert told["hash"] == read_header(header.message).hash.hex()


@pytest.mark.parametrize("case", vector("sign_bytes.json"))
def test_a_vote_signs_the_published_bytes(case: dict[str, Any]) -> None:
    """`TestVoteSignBytesTestVectors` of CometBFT: fixed widths, what is zero left out."""
    found = vote_bytes(case["type"], case["height"], case["round"], b"", NO_TIME, case["chain_id"])

    assert case["bytes"] == found.hex()


@pytest.mark.parametrize("height", ["1", "2", "31"])
def test_a_real_block_is_final(height: str) -> None:
    """Hash, set and three of four votes of a block CometBFT made."""
    told = vector("rpc.json")[height]
    header = msgspec.convert(told["commit"]["signed_header"]["header"], Header)
    found = read_header(header.message)

    assert (
        found.hash.hex().upper() == (told["commit"]["signed_header"]["commit"]["block_id"]["hash"])
    )
    assert (int(height), header.chain_id) == (found.height, found.chain_id)


@given(
    number=st.integers(0, 2**63 - 1),
    data=st.binary(max_size=200),
    more=st.lists(st.binary(min_size=1, max_size=9), max_size=3),
)
def test_what_is_written_is_read(number: int, data: bytes, more: list[bytes]) -> None:
    """All kinds of field, and what is zero or empty left out."""
    written = (
        wire.number(1, number)
        + wire.part(2, data)
        + b"".join(wire.part(15, one) for one in more)
        + wire.number(16, number)
    )
    fields = wire.read(written, SHAPE)

    assert (number, data, more) == (fields.number(1), fields.part(2), fields.all(15))
    assert number == fields.number(16)


@given(st.binary(max_size=40))
def test_bytes_have_one_reading_or_none(data: bytes) -> None:
    """Whatever is accepted is given again byte for byte."""
    try:
        fields = wire.read(data, SHAPE)
    except WireRefused:
        return

    assert data == (
        wire.number(1, fields.number(1))
        + wire.part(2, fields.part(2))
        + b"".join(wire.part(15, one) for one in fields.all(15))
        + wire.number(16, fields.number(16))
    )


FORMS = {
    "an unknown field": "1801",
    "another wire type": "0a0101",
    "a group": "0b",
    "out of order": "1201410801",
    "repeated": "08010801",
    "zero": "0800",
    "empty": "1200",
    "a longer number": "088100",
    "a longer tag": "880001",
    "a number of 2^63": "0880808080808080808001",
    "a number without end": "08" + "80" * 11,
    "cut in a number": "0880",
    "cut in a tag": "80",
    "cut before its value": "08",
    "cut in bytes": "120241",
    "a length beyond all": "12ffffffffffffffff7f",
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS.keys())
def test_another_form_is_refused(data: str) -> None:
    """Protobuf would read most of these."""
    with pytest.raises(WireRefused):
        wire.read(bytes.fromhex(data), SHAPE)


def test_a_set_s_hash_does_not_depend_on_the_order_given() -> None:
    """CometBFT orders by power, then by address; so a trust file may list them as it likes."""
    uneven = CometChain(keys(5), [1, 7, 3, 7, 2])

    assert [7, 7, 3, 2, 1] == [one.power for one in uneven.validators]
    assert merkle.root(uneven.leaves) == set_hash(reversed(uneven.validators))
    assert uneven.validators == read_set(uneven.leaves)


KEY = wire.part(1, bytes(32))
SETS = {
    "nobody": [],
    "one twice": [FOUR.leaves[0], FOUR.leaves[0]],
    "one twice, with other power": [FOUR.leaves[0], FOUR.leaves[0][:-1] + b"\x0b"],
    "no power": [wire.part(1, KEY)],
    "no key": [wire.number(2, 10)],
    "a short key": [wire.part(1, wire.part(1, bytes(31))) + wire.number(2, 10)],
    "another kind of key": [wire.part(1, wire.part(2, bytes(33))) + wire.number(2, 10)],
}


@pytest.mark.parametrize("leaves", SETS.values(), ids=SETS.keys())
def test_a_set_is_distinct_keys_with_power(leaves: list[bytes]) -> None:
    """Who stands twice would be counted twice."""
    with pytest.raises(WireRefused):
        read_set(leaves)


HEADERS = {
    "a chain id that is no text": lambda data: data.replace(b"salus-test", b"salus-tes\xff"),
    "no app hash": lambda data: data.replace(b"\x5a\x20" + bytes(32), b""),
    "a short app hash": lambda data: data.replace(b"\x5a\x20" + bytes(32), b"\x5a\x1f" + bytes(31)),
    "a byte more": lambda data: data + b"\x00",
    "cut": lambda data: data[:-1],
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_has_one_form(change: Any) -> None:
    """And three hashes of 32 bytes."""
    header = FOUR.header(3)
    assert change(header) != header

    with pytest.raises(WireRefused):
        read_header(change(header))


def test_a_place_is_empty_or_a_vote_for_the_block() -> None:
    """A vote for nothing (flag 3) or one without a flag is no place; nor is a short signature."""
    commit = FOUR.block(3).commit
    assert 4 == len(read_commit(commit).places)
    for old, new in [
        (b"\x08\x02\x12\x14", b"\x08\x03\x12\x14"),
        (b"\x08\x02\x12\x14", b"\x08\x01\x12\x14"),
        (b"\x22\x40", b"\x22\x3f"),
    ]:
        with pytest.raises(WireRefused):
            read_commit(commit.replace(old, new, 1))
    with pytest.raises(WireRefused):
        read_commit(wire.number(1, 3) + wire.part(4, EMPTY_PLACE))


@pytest.mark.parametrize(
    ("powers", "voters", "enough"),
    [
        ([1, 1, 1], [0, 1], False),
        ([1, 1, 1], [0, 1, 2], True),
        ([1, 1, 1, 1], [0, 1, 2], True),
        ([10, 5], [0], False),
        ([11, 5], [0], True),
        ([2**60, 1, 1], [0], True),
        ([2**60, 2**60, 2**60], [0, 1], False),
        ([5, 4, 3, 2, 1], [0, 1], False),
        ([5, 4, 3, 2, 1], [0, 1, 4], False),
        ([5, 4, 3, 2, 1], [0, 1, 3], True),
    ],
)
def test_more_than_two_thirds_of_the_power_must_have_voted(
    powers: list[int], voters: list[int], *, enough: bool
) -> None:
    """Just two thirds is not enough; power counts, not heads."""
    chain = CometChain(keys(len(powers)), powers)
    block = final(chain.block(3, voters=voters))
    if enough:
        power = sum(powers[at] for at in voters)
        tally = Tally(len(voters), len(powers), power, sum(powers))
        assert tally == check_votes(block.commit, CHAIN_ID, block.validators)
        return
    with pytest.raises(BlockRefused, match="more than 2/3"):
        check_votes(block.commit, CHAIN_ID, block.validators)


def test_links_lead_from_set_to_set() -> None:
    """Any number, also back to an earlier set; those below the known height are passed over."""
    sets = [CometChain(keys(4, salt)) for salt in (3, 4, 5)]
    a, b, c = sets
    links = [final(a.block(5, after=b)), final(b.block(9, after=a)), final(a.block(12, after=c))]
    newest = read_header(c.header(20))
    for known, hash_ in [(1, a.hash), (5, a.hash), (6, b.hash), (9, b.hash), (10, a.hash),
                         (13, c.hash), (20, c.hash)]:  # fmt: skip
        proof.follow(KnownSet(known, hash_), links, newest, CHAIN_ID)
    for known, hash_ in [(1, b.hash), (6, a.hash), (13, a.hash), (13, b.hash)]:
        with pytest.raises(BlockRefused):
            proof.follow(KnownSet(known, hash_), links, newest, CHAIN_ID)


def test_a_validator_is_named_as_by_comet() -> None:
    """The address is the start of SHA-256 over the bare key."""
    told = vector("rpc.json")["2"]["validators"]["validators"]
    found = [Validator(b"\x01" + msgspec.json.decode(f'"{one["pub_key"]["value"]}"', type=bytes), 1)
             for one in told]  # fmt: skip

    assert [one["address"].lower() for one in told] == [one.address.hex() for one in found]
