"""Blocks that the own CometBFT never had: believed of enough others, and only what verifies."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salus.base import codec
from salus.base.comet.header import read_header
from salus.base.errors import Problem
from salus.node.comet.blocks import BlockReader
from salus.node.comet.elsewhere import Blocks
from salus.node.comet.light import LightAsked
from salus.node.peers import Answer, Identity, Peer, peer_down
from salus.node.signed_request import Request
from tests.support.ledgers import Chain, FakeClock

HEIGHT = 31
TOLD = json.loads((Path(__file__).parents[3] / "vectors" / "comet" / "rpc.json").read_text())
TRUE = TOLD[str(HEIGHT)]

Change = Callable[[Any], None]


def member(number: int, change: Change | None) -> Peer:
    """One that tells the block, changed; None: it does not answer."""
    chain = Chain(members=4)
    asker, giver = chain.members[3], chain.members[number]

    def carry(request: Request) -> bytes:
        if change is None:
            raise peer_down("it is silent")
        asked = codec.decode(request.body, LightAsked)
        assert HEIGHT == asked.height
        answers = copy.deepcopy(TRUE)
        change(answers)
        result = {"jsonrpc": "2.0", "id": -1, "result": answers[asked.method]}
        return codec.encode(Answer(ok=json.dumps(result).encode()))

    identity = Identity(chain.network, asker.id, asker.service)
    return Peer(identity, giver.id, carry, FakeClock(), lambda: 0)


def blocks(tmp_path: Path, *changes: Change | None) -> Blocks:
    """A member whose CometBFT has nothing, and three others."""
    peers = [member(number, change) for number, change in enumerate(changes)]
    return Blocks(BlockReader(tmp_path / "rpc.sock"), lambda: peers)


def honest(_answers: Any) -> None:
    """As it was."""


def other_header(answers: Any) -> None:
    """Another block at that height."""
    answers["commit"]["signed_header"]["header"]["app_hash"] = "00" * 32


def no_header(answers: Any) -> None:
    """Letters where hex belongs."""
    answers["commit"]["signed_header"]["header"]["app_hash"] = "zz"


def no_votes(answers: Any) -> None:
    """The true header, and a commit nobody signed."""
    for place in answers["commit"]["signed_header"]["commit"]["signatures"]:
        place["signature"] = None


def fewer_validators(answers: Any) -> None:
    """The true header and commit, with a set of another length."""
    answers["validators"]["validators"].pop()


def other_validators(answers: Any) -> None:
    """The true header and commit, with one validator's power changed."""
    answers["validators"]["validators"][0]["voting_power"] = "1000"


@pytest.mark.parametrize("liar", [other_header, no_header, None])
def test_one_of_three_may_lie_or_be_silent(tmp_path: Path, liar: Change | None) -> None:
    """Two that tell a header alike are f + 1: one of them is honest."""
    found = blocks(tmp_path, liar, honest, honest).header(HEIGHT)

    assert HEIGHT == read_header(found.message).height
    assert TRUE["commit"]["signed_header"]["header"]["app_hash"] == found.app_hash


@pytest.mark.parametrize("lie", [no_votes, fewer_validators, other_validators])
def test_votes_that_do_not_verify_are_asked_of_the_next(tmp_path: Path, lie: Change) -> None:
    """Under a true header too: the block is the honest member's, as if asked alone."""
    found = blocks(tmp_path, lie, honest, honest).signed(HEIGHT)

    assert blocks(tmp_path, honest, honest, honest).signed(HEIGHT) == found


@pytest.mark.parametrize("changes", [(honest, None, None), (None, None, None)])
def test_too_few_that_agree_are_not_believed(
    tmp_path: Path, changes: tuple[Change | None, ...]
) -> None:
    """One alone may lie; the text says what to do."""
    with pytest.raises(Problem, match=r"CometDown.*ask another member"):
        blocks(tmp_path, *changes).header(HEIGHT)


def test_no_votes_anywhere_is_a_problem_not_a_proof(tmp_path: Path) -> None:
    """What does not verify is not handed on."""
    with pytest.raises(Problem, match="CometDown"):
        blocks(tmp_path, no_votes, no_votes, no_votes).signed(HEIGHT)
