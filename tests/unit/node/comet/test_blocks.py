"""CometBFT's answers become the protobuf a proof carries; votes that are of no use are left out."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.base.comet import wire
from salus.base.comet.commit import Tally, check_votes, read_commit
from salus.base.comet.header import read_header
from salus.base.comet.validators import Validator
from salus.base.errors import Problem
from salus.node.comet.blocks import (
    BlockId,
    BlockReader,
    CommitJson,
    Header,
    Parts,
    ValidatorsAnswer,
    timestamp,
)

TOLD = json.loads((Path(__file__).parents[3] / "vectors" / "comet" / "rpc.json").read_text())
SIGNED = TOLD["31"]["commit"]["signed_header"]
HEADER = msgspec.convert(SIGNED["header"], Header)
CHAIN_ID = HEADER.chain_id
SET = [
    Validator(b"\x01" + one.pub_key.value, int(one.voting_power))
    for one in msgspec.json.decode(
        json.dumps(TOLD["31"]["validators"]), type=ValidatorsAnswer
    ).validators
]


def commit_of(told: Any) -> CommitJson:
    """A commit as CometBFT's JSON."""
    return msgspec.json.decode(json.dumps(told), type=CommitJson)


def tally_of(told: Any) -> Tally:
    """Whose votes are left."""
    commit = read_commit(commit_of(told).read(SET, CHAIN_ID))
    return check_votes(commit, CHAIN_ID, SET)


def test_a_real_commit_is_of_its_header() -> None:
    """Both hashes agree, and the votes hold."""
    commit = read_commit(commit_of(SIGNED["commit"]).read(SET, CHAIN_ID))

    assert read_header(HEADER.message).hash == commit.block_hash
    assert Tally(3, 4, 30, 35) == tally_of(SIGNED["commit"])


def test_votes_of_no_use_are_left_out() -> None:
    """For nothing, by a signature libsodium does not take, by none: never one bad for all."""
    for change in (
        {"block_id_flag": 3},
        {"signature": base64.b64encode(bytes(64)).decode()},
        {"signature": None},
        {"block_id_flag": 1},
    ):
        told = copy.deepcopy(SIGNED["commit"])
        at = next(at for at, one in enumerate(SET) if one.power == 5)
        told["signatures"][at] |= change
        commit = read_commit(commit_of(told).read(SET, CHAIN_ID))

        assert commit.places[at] is None
        assert 4 == len(commit.places)


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("2019-10-13T16:14:44Z", 1_570_983_284, 0),
        ("2025-11-24T16:00:00.5Z", 1_764_000_000, 500_000_000),
        ("2025-11-24T16:00:00.000000001Z", 1_764_000_000, 1),
        ("2025-11-24T16:00:00.123456789Z", 1_764_000_000, 123_456_789),
        ("1970-01-01T00:00:00Z", 0, 0),
    ],
)
def test_a_time_is_exact_to_the_nanosecond(text: str, seconds: int, nanos: int) -> None:
    """It is signed as it is."""
    assert wire.number(1, seconds) + wire.number(2, nanos) == timestamp(text)


def test_a_block_without_a_parent_names_none() -> None:
    """The first header's last block id is empty, but it is there."""
    assert b"\x12\x00" == BlockId("", Parts(0, "")).message


def test_a_comet_that_is_not_there(tmp_path: Path) -> None:
    """A named problem: the node starts it again by itself."""
    reader = BlockReader(tmp_path / "rpc.sock")
    with pytest.raises(Problem, match="CometDown"):
        reader.header(1)
