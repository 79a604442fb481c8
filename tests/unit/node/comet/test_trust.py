"""Whom a syncing CometBFT believes: a hash that enough members state, and who they are."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.node.archive import TIP, Stated
from salus.node.comet import trust as trust_module
from salus.node.comet.light import ROUTE
from salus.node.comet.trust import Members, find_trust
from salus.node.snapshots import read_meta
from tests.support.light import HASH, OTHER, Light
from tests.support.lost_member import HEIGHT, SNAPSHOT, Case, lie


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Member 3 has nothing; 0, 1 and 2 have a snapshot with two blocks on it."""
    monkeypatch.setattr(trust_module, "TWO_MORE_S", 0.0)
    made = Case(tmp_path)
    with ExitStack() as stack:
        for sender in made.senders:
            stack.callback(sender.close)
        yield made


@pytest.fixture
def lights(case: Case) -> list[Light]:
    """Of the three that answer."""
    made = [Light(number) for number in range(3)]
    for sender, light in zip(case.senders, made, strict=True):
        sender.handlers[ROUTE] = light.answer
    return made


def test_a_hash_of_enough_members_is_trusted(case: Case, lights: list[Light]) -> None:
    """One of three that states another is left out, of the hash and of who is asked later."""
    lights[1].block = OTHER
    found = find_trust(case.peers)

    assert (SNAPSHOT, HASH) == (found.height, found.block)
    assert [case.peers[0], case.peers[2]] == found.servers


@pytest.mark.parametrize("blocks", [(HASH, OTHER, None), (HASH, None, None), (None, None, None)])
def test_too_few_members_of_one_word_are_not_enough(
    case: Case, lights: list[Light], blocks: tuple[str | None, ...]
) -> None:
    """Two of three are needed, and the text says what else can be done."""
    for light, block in zip(lights, blocks, strict=True):
        light.block = block
    with pytest.raises(Problem, match=r"expected 2 members.*without --fast"):
        find_trust(case.peers)


def test_two_blocks_must_stand_on_the_snapshot(case: Case, lights: list[Light]) -> None:
    """CometBFT would reject it for good, so it is not started before."""
    assert HEIGHT == SNAPSHOT + 2
    for sender in case.senders:
        sender.handlers[TIP] = lie(lambda _body: stated(case, SNAPSHOT + 1))
    with pytest.raises(Problem, match=f"a block above {SNAPSHOT + 1}"):
        find_trust(case.peers)
    assert HASH == lights[0].block


def test_members_are_named_by_their_nodes(case: Case, lights: list[Light]) -> None:
    """A sender of chunks is known by its node; whoever told none keeps its node's name."""
    members = Members(case.peers)

    assert case.peers[2].member.hex() == members.named(lights[2].node)
    assert "ff" * 20 == members.named("ff" * 20)
    assert {one.node for one in lights} == set(members.nodes)


def test_metadata_is_traced_to_who_offers_it(case: Case, lights: list[Light]) -> None:
    """CometBFT does not say who offered what it hands over; the members' own lists do."""
    members = Members(case.peers)
    data = case.senders[0].snapshots.meta(SNAPSHOT)

    assert [one.member.hex() for one in case.peers] == members.offering(data)
    assert [] == members.offering(data + b"\x00")
    assert members.stand_behind(read_meta(data))
    assert HASH == lights[0].block


def stated(case: Case, height: int) -> bytes:
    """A member's word that this is its tip."""
    record = case.senders[0].ledger.record(height)
    return codec.encode(Stated(app=record.app, height=height, time_ms=record.time_ms))
