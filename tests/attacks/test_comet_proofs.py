"""
What a relay, or validators short of two thirds, can do to a proof by votes: refused at its step.

`ledger.md` §10: a doubled validator, votes for nothing, another chain, height or block, just two
thirds, links skipped or reversed; and the keys of validators that were replaced.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.base import proof_file
from salus.base.comet import wire
from salus.base.comet.commit import EMPTY_PLACE
from salus.base.comet.proof import KnownSet
from salus.base.hashing import sha256
from salus.base.proof_file import SignedHeader
from salus.client import trust as trust_file
from salus.client.trust import Anchor, Trust
from salus.client.verify import Unverified, verify
from tests.support.comet_chain import (
    CHAIN_ID,
    STATE,
    CometChain,
    Votes,
    anchor,
    app_hash,
    keys,
    trust_in,
)
from tests.support.proof_claims import MESSAGES, SENT_INDEX, chance_of, step_of, two_blocks
from tests.support.proof_log import NETWORK, path

RECORDED = Path(__file__).parents[1] / "vectors" / "comet" / "recorded"
LOG = two_blocks()
APP = app_hash(LOG, STATE)
FOUR, OTHERS, THIRD = (CometChain(keys(4, salt)) for salt in (3, 4, 5))
TRUST = trust_in(FOUR)
HEIGHT = 9


def file_of(signed: SignedHeader, links: Sequence[SignedHeader] = (), **changed: Any) -> bytes:
    """A proof of message 1 under any block; `changed`: fields of the anchor."""
    end = msgspec.structs.replace(anchor(LOG, SENT_INDEX, signed, links=links), **changed)
    return proof_file.build_message(NETWORK, end, MESSAGES[1], 1, path(MESSAGES, 1))


def honest(**words: Any) -> SignedHeader:
    """The block that holds the log, by all four unless said otherwise."""
    return FOUR.block(HEIGHT, APP, **words)


def forged(change: Callable[[Votes], None], *, signed: bool = False) -> SignedHeader:
    """A commit that says something else; with `signed` the votes still say the honest thing."""
    header = FOUR.header(HEIGHT, APP)
    votes, said = FOUR.votes(header), FOUR.votes(header)
    change(votes)
    return FOUR.signed(header, votes.commit(said if signed else votes))


def put(name: str, value: object) -> Callable[[Votes], None]:
    """Set a field of the votes."""
    return lambda votes: setattr(votes, name, value)


def test_the_honest_file_verifies() -> None:
    """Else the rest would show nothing; three of four are enough."""
    for voters in (None, [0, 1, 2], [1, 2, 3]):
        votes = verify(file_of(honest(voters=voters)), TRUST).votes

        assert votes is not None
        assert 40 == votes.total


@pytest.mark.parametrize("name", ["three_of_four", "one_link", "two_links"])
def test_no_byte_of_a_real_proof_can_be_changed(name: str) -> None:
    """Each byte counts, of votes beyond two thirds and of links too: one bit of each is flipped."""
    file = (RECORDED / f"{name}.salus-proof").read_bytes()
    trust = trust_file.load(RECORDED / "trust.json")
    verify(file, trust)
    chance = chance_of(6)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            verify(bytes(changed), trust)
        except Unverified:
            continue
        pytest.fail(f"byte {at} of {name} does not count")


OTHER = sha256(b"other")
PLACES: dict[str, tuple[dict[str, Any], int]] = {
    "another state root": ({"state_root": OTHER}, 4),
    "another log root": ({"log_root": OTHER}, 3),
    "a larger log, where the path is the same": ({"log_size": 6}, 4),
    "a smaller log": ({"log_size": 2}, 3),
    "another index": ({"index": 3}, 3),
}


@pytest.mark.parametrize(("changed", "step"), PLACES.values(), ids=PLACES.keys())
def test_log_and_state_are_the_header_s(changed: dict[str, Any], step: int) -> None:
    """Size, root and state stand in the app hash, the entry in the log."""
    assert step == step_of(file_of(honest(), **changed), TRUST)


def test_the_header_of_another_block() -> None:
    """Final and trusted, but it holds another log."""
    assert 4 == step_of(file_of(FOUR.block(HEIGHT, OTHER)), TRUST)


VOTES = {
    "for another header": (put("block_hash", OTHER), 5),
    "at another height": (put("height", HEIGHT + 1), 5),
    "of a prevote": (put("kind", 1), 7),
}
SAID = {
    "in another round": (put("round", 1), 7),
    "at another height": (put("height", HEIGHT - 1), 5),
}


@pytest.mark.parametrize(("change", "step"), VOTES.values(), ids=VOTES.keys())
def test_votes_for_something_else(change: Callable[[Votes], None], step: int) -> None:
    """Signed by all four, but not for this header, or not to make it final."""
    assert step == step_of(file_of(forged(change)), TRUST)


@pytest.mark.parametrize(("change", "step"), SAID.values(), ids=SAID.keys())
def test_votes_retold(change: Callable[[Votes], None], step: int) -> None:
    """Honest votes in a commit that says another height or round."""
    assert step == step_of(file_of(forged(change, signed=True)), TRUST)


def test_votes_of_another_chain() -> None:
    """The same keys in two networks: neither header nor votes of one serve in the other."""
    foreign = CometChain(keys(4), chain_id="salus-other")
    assert 5 == step_of(file_of(foreign.block(HEIGHT, APP)), TRUST)
    header = FOUR.header(HEIGHT, APP)
    votes = FOUR.votes(header)
    said = dataclasses.replace(votes, chain_id="salus-other")

    assert 7 == step_of(file_of(FOUR.signed(header, votes.commit(said))), TRUST)


def test_votes_for_nothing_count_for_nothing() -> None:
    """A validator that voted "nil" signed no block: flagged as a vote it does not hold."""
    header = FOUR.header(HEIGHT, APP)
    votes = FOUR.votes(header)
    said = _Nil(**vars(votes))
    assert 7 == step_of(file_of(FOUR.signed(header, votes.commit(said))), TRUST)

    commit = votes.commit().replace(b"\x08\x02\x12\x14", b"\x08\x03\x12\x14", 1)
    assert 0 == step_of(file_of(FOUR.signed(header, commit)), TRUST)


class _Nil(Votes):
    @property
    def block_id(self) -> bytes:
        return b""


def test_too_little_power() -> None:
    """Half, and just two thirds; whoever is missing is not made up for."""
    assert 7 == step_of(file_of(honest(voters=[0, 1])), TRUST)
    assert 7 == step_of(file_of(honest(voters=[])), TRUST)
    three = CometChain(keys(3))
    assert 7 == step_of(file_of(three.block(HEIGHT, APP, voters=[0, 2])), trust_in(three))
    uneven = CometChain(keys(3), [5, 4, 1])
    assert 7 == step_of(file_of(uneven.block(HEIGHT, APP, voters=[0, 2])), trust_in(uneven))


def test_a_doubled_validator() -> None:
    """In two places, in a longer commit, in a set with it twice."""
    block = honest(voters=[0, 1])
    places = _places(block.commit)
    assert 4 == len(places)
    doubled = [places[0], places[1], places[1], EMPTY_PLACE]
    assert 7 == step_of(file_of(FOUR.signed(block.header, _with(block.commit, doubled))), TRUST)
    longer = [*places, places[0]]
    assert 7 == step_of(file_of(FOUR.signed(block.header, _with(block.commit, longer))), TRUST)
    swapped = [places[1], places[0], *places[2:]]
    assert 7 == step_of(file_of(FOUR.signed(block.header, _with(block.commit, swapped))), TRUST)

    leaves = (*FOUR.leaves[:2], *FOUR.leaves[:2])
    twice = SignedHeader(commit=block.commit, header=block.header, validators=leaves)
    assert 0 == step_of(file_of(twice), TRUST)


def test_a_set_that_is_not_the_header_s() -> None:
    """Fewer, reordered, of another power, others altogether."""
    block = honest(voters=[0, 1])
    strong = CometChain(keys(4), [90, 90, 1, 1])
    for leaves in (FOUR.leaves[:2], FOUR.leaves[::-1], strong.leaves, OTHERS.leaves):
        changed = SignedHeader(commit=block.commit, header=block.header, validators=leaves)
        assert 6 == step_of(file_of(changed), TRUST)


def test_validators_nobody_trusts() -> None:
    """A whole network of the liar's own: all holds, but for whose it is."""
    assert 8 == step_of(file_of(OTHERS.block(HEIGHT, APP)), TRUST)
    assert CHAIN_ID == OTHERS.chain_id


LINK = FOUR.block(3, after=OTHERS)
SECOND = OTHERS.block(6, after=THIRD)
END = THIRD.block(HEIGHT, APP)
LINKS = {
    "the first one skipped": [SECOND],
    "the second one skipped": [LINK],
    "all skipped": [],
    "reversed": [SECOND, LINK],
    "one twice": [LINK, LINK, SECOND],
    "one at the header's height": [LINK, OTHERS.block(HEIGHT, after=THIRD)],
    "one above it": [LINK, OTHERS.block(HEIGHT + 1, after=THIRD)],
    "one that changes nothing, then a jump": [FOUR.block(3), SECOND],
    "with just half the votes": [FOUR.block(3, after=OTHERS, voters=[0, 1]), SECOND],
    "votes of the next set": [
        SignedHeader(
            commit=OTHERS.block(3, after=OTHERS).commit,
            header=LINK.header,
            validators=LINK.validators,
        ),
        SECOND,
    ],
    "of another chain": [CometChain(keys(4), chain_id="x").block(3, after=OTHERS), SECOND],
    "signed by the set it names": [OTHERS.block(3, after=OTHERS), SECOND],
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS.keys())
def test_links_that_do_not_lead_there(links: list[SignedHeader]) -> None:
    """Each change of the validators is voted by those before it, in order of height."""
    verify(file_of(END, [LINK, SECOND]), TRUST)

    assert 8 == step_of(file_of(END, links), TRUST)


def test_stolen_keys_of_replaced_validators() -> None:
    """Who saw the newer set is led astray neither by the old keys nor by the old link."""
    seen = Anchor(1, bytes(32), 1, KnownSet(6, OTHERS.hash))
    reader = Trust.of(NETWORK, TRUST.policy_text, seen, TRUST.comet)
    verify(file_of(OTHERS.block(HEIGHT, APP), [LINK]), reader)
    fork = FOUR.block(7, after=THIRD)
    for links in ([], [LINK], [fork], [LINK, fork], [FOUR.block(5, after=THIRD)]):
        assert 8 == step_of(file_of(END, links), reader)
    assert 8 == step_of(file_of(honest(), [LINK]), reader)


def test_old_keys_of_a_set_that_came_back_lead_nowhere() -> None:
    """A -> B -> A: the true old link to B, and B's stolen keys, do not move a reader who saw A."""
    seen = Anchor(1, bytes(32), 1, KnownSet(7, FOUR.hash))
    reader = Trust.of(NETWORK, TRUST.policy_text, seen, TRUST.comet)

    assert 8 == step_of(file_of(OTHERS.block(HEIGHT, APP), [LINK]), reader)


def test_another_history_of_one_size() -> None:
    """Two thirds that sign two histories are found out by who saw the other."""
    seen = Anchor(1, sha256(b"other"), len(LOG.entries), KnownSet(HEIGHT, FOUR.hash))
    reader = Trust.of(NETWORK, TRUST.policy_text, seen, TRUST.comet)
    with pytest.raises(Unverified) as refused:
        verify(file_of(honest()), reader)

    assert ("SplitView", 9) == (refused.value.name, refused.value.step)


def test_another_network_s_file_under_our_name() -> None:
    """The network id is not in the votes: the chain id, and the envelope's signature, are."""
    data = file_of(honest()).replace(NETWORK.hex().encode(), b"0" * 64)

    assert 0 == step_of(data, TRUST)


def test_more_links_than_any_reader_follows() -> None:
    """Refused by count, before they are read."""
    links = [SignedHeader(commit=b"", header=b"", validators=())] * 1_001

    assert 0 == step_of(file_of(honest(), links), TRUST)


HOSTILE = {
    "no header": lambda block: msgspec.structs.replace(block, header=b""),
    "no commit": lambda block: msgspec.structs.replace(block, commit=b""),
    "no validators": lambda block: msgspec.structs.replace(block, validators=()),
    "a header as commit": lambda block: msgspec.structs.replace(block, commit=block.header),
    "a long number": lambda block: msgspec.structs.replace(block, header=b"\xff" * 999),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_are_refused_not_raised(
    change: Callable[[SignedHeader], SignedHeader],
) -> None:
    """At step 0, in the block and in a link."""
    assert 0 == step_of(file_of(change(honest())), TRUST)
    assert 0 == step_of(file_of(END, [change(LINK), SECOND]), TRUST)


def test_a_refusal_holds_nothing_of_the_file() -> None:
    """What a stranger wrote is not shown as our words: here a chain id."""
    marked = CometChain(keys(4), chain_id="call-555")
    for file in (file_of(marked.block(HEIGHT, APP)), file_of(END, [marked.block(3), SECOND])):
        with pytest.raises(Unverified) as refused:
            verify(file, TRUST)
        assert "555" not in str(refused.value)


def _places(commit: bytes) -> list[bytes]:
    kinds = {1: wire.Kind.NUMBER, 2: wire.Kind.NUMBER, 3: wire.Kind.BYTES, 4: wire.Kind.REPEATED}
    return wire.read(commit, kinds).all(4)


def _with(commit: bytes, places: list[bytes]) -> bytes:
    old = b"".join(wire.part(4, one) for one in _places(commit))
    assert commit.endswith(old)
    return commit.removesuffix(old) + b"".join(wire.part(4, one) for one in places)
