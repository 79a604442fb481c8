"""A member's copy: it follows, believes nothing, and names the block that lies."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.errors import Fault, Problem, Refusal
from salus.machine.block import Evidence
from salus.node.ordering import DoneAnswer, HeightAnswer, PeerOrdering
from salus.node.peers import Answer, Identity, Peer, peer_down
from salus.node.record import BlockRecord, Result, read_record, record_of
from salus.node.replica import Blocks, BlocksAsked, Replica, blocks_after
from salus.node.signed_request import Request
from salus.node.verify_pool import VerifyPool
from tests.support.ledgers import VIEW, Chain, FakeClock, Nodes, add_block, execute, term
from tests.support.machine import GENESIS_MS


class World:
    """An honest ordering member's ledger, a copy's empty one, and what is told in between."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=2)
        self.clock = FakeClock(GENESIS_MS + 5_000)
        self.honest = self.chain.open(folder / "honest")
        self.copy = self.chain.open(folder / "copy")
        self.pool = VerifyPool(self.chain.network, workers=0)
        self.told = threading.Event()

    def follow(self, answer: Callable[[BlocksAsked], bytes]) -> Replica:
        """A replica that is answered so once, then finds nobody."""

        def carry(request: Request) -> bytes:
            if self.told.is_set():
                raise peer_down("no more")
            self.told.set()
            asked = codec.decode(request.body, BlocksAsked)
            return codec.encode(Answer(ok=answer(asked)))

        actor = self.chain.members[1]
        identity = Identity(self.chain.network, actor.id, actor.service)
        peer = Peer(identity, self.chain.members[0].id, carry, self.clock, lambda: 0)
        return Replica(self.copy, peer, self.pool, self.clock)

    def failure(self, *records: BlockRecord | bytes) -> str:
        """What the copy says of these blocks; empty if it took them."""
        payloads = [one if isinstance(one, bytes) else codec.encode(one) for one in records]
        replica = self.follow(lambda _asked: codec.encode(Blocks(records=payloads)))
        assert self.told.wait(10)
        replica.close()
        return "" if replica.failure is None else str(replica.failure)

    def close(self) -> None:
        self.pool.close()
        self.honest.close()
        self.copy.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three honest blocks: a transaction, an empty one, two transactions."""
    world = World(tmp_path)
    add_block(world.honest, world.chain.sign(0, VIEW, nonce=0))
    add_block(world.honest)
    add_block(
        world.honest, world.chain.sign(1, VIEW, nonce=0), world.chain.sign(0, term(2), nonce=1)
    )
    yield world
    world.close()


def test_honest_blocks_are_taken_byte_for_byte(world: World) -> None:
    """The copy's journal equals the ordering member's."""
    replica = world.follow(lambda asked: codec.encode(blocks_after(world.honest, asked)))
    assert 3 == world.copy.wait_above(2, 10).height
    replica.close()

    assert replica.failure is None
    assert world.honest.tip == world.copy.tip
    for height in (1, 2, 3):
        assert world.honest.record_bytes(height) == world.copy.record_bytes(height)
        assert world.honest.receipts(height) == world.copy.receipts(height)


FORGED: dict[str, dict[str, Any]] = {
    "app hash": {"app": bytes(32)},
    "state root": {"state": bytes(32)},
    "log root": {"log_root": bytes(32)},
    "log size": {"log_size": 7},
    "events": {"events": bytes(32)},
    "receipt": {"results": [Result(code=9_002, events=bytes(32))]},
    "a later height": {"height": 2},
    "an earlier time": {"time_ms": GENESIS_MS - 1},
    "a time to come": {"time_ms": GENESIS_MS + 5_000 + 60_001},
    "another time": {"time_ms": GENESIS_MS + 1},
    "no transaction": {"txs": [], "results": []},
    "evidence": {"evidence": [Evidence(member=bytes(16), height=1, kind="x")]},
    "too many transactions": {"txs": [b"x"] * 10_001},
    "too many bytes": {"txs": [b"x" * 4_200_000]},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED.keys())
def test_a_block_that_lies_is_refused_with_its_height(
    world: World, changes: dict[str, Any]
) -> None:
    """State root, log, order, time, receipts: nothing of it is kept, and people are told."""
    forged = replace(world.honest.record(1), **changes)

    failure = world.failure(forged)

    assert failure.startswith("block 1: the ordering member sent ")
    assert "tell the other members" in failure
    assert 0 == world.copy.tip.height


def test_a_later_lie_leaves_the_honest_blocks(world: World) -> None:
    """Two are taken; the third's order is changed."""
    third = world.honest.record(3)
    turned = replace(third, txs=third.txs[::-1])

    assert world.failure(world.honest.record(1), world.honest.record(2), turned).startswith(
        "block 3:"
    )
    assert 2 == world.copy.tip.height


def test_a_forged_signature_does_not_become_an_act(world: World) -> None:
    """The ordering member says done; the copy checks the signature itself."""
    data = world.chain.sign(1, VIEW, nonce=0)
    forged = data[:-1] + bytes([data[-1] ^ 1])
    block = execute(world.copy, forged).block
    believed = world.copy.execute(block, signatures=[True])

    failure = world.failure(record_of(believed.block, believed.outcome, believed.sealed))

    assert failure.startswith("block 1: the ordering member sent app hash")


def test_an_honest_block_may_hold_a_refused_copy(world: World) -> None:
    """What the orderer itself refused by code 8 stands in the block, and the copy agrees."""
    data = world.chain.sign(1, term(4), nonce=1)
    add_block(world.honest, data[:-1] + bytes([data[-1] ^ 1]))
    assert [8] == [one.code for one in world.honest.receipts(4).receipts]

    assert "" == world.failure(*(world.honest.record_bytes(height) for height in (1, 2, 3, 4)))

    assert world.honest.tip == world.copy.tip


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x80"])
def test_bytes_that_are_no_block_stop_the_copy(world: World, payload: bytes) -> None:
    """Told by name, not a thread that ended silently."""
    assert world.failure(payload).startswith("block 1: the ordering member sent bytes")


def test_an_uncanonical_record_is_refused(world: World) -> None:
    """Two encodings of one block would be two journals."""
    payload = world.honest.record_bytes(1)
    assert 0xA3 == payload[1]
    longer = payload[:1] + b"\xd9\x03" + payload[2:]
    assert read_record(longer) == world.honest.record(1)

    assert world.failure(longer).startswith("block 1: the ordering member sent another record")


def test_an_answer_that_is_no_list_of_blocks_stops_the_copy(world: World) -> None:
    """So does a bug of our own: a stopped copy must not look idle."""
    replica = world.follow(lambda _asked: b"nonsense")
    replica._thread.join(10)
    assert "no list of blocks" in str(replica.failure)

    world.told.clear()
    world.pool.check = lambda _txs: [bool(1 / 0)]  # type: ignore[method-assign, assignment]
    replica = world.follow(lambda asked: codec.encode(blocks_after(world.honest, asked)))
    replica._thread.join(10)
    assert "ZeroDivisionError" in str(replica.failure)


def test_blocks_are_handed_over_in_bounded_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One block at least; nothing new within the time is an empty answer."""
    monkeypatch.setattr("salus.node.replica.ARCHIVE_BYTES_MAX", 1)

    assert 1 == len(blocks_after(world.honest, BlocksAsked(above=0, wait_ms=0)).records)
    assert [] == blocks_after(world.honest, BlocksAsked(above=3, wait_ms=1)).records


# The way of a transaction through another member.


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two members; the first orders."""
    with Nodes(tmp_path_factory.mktemp("nodes"), members=2) as nodes:
        yield nodes


def test_an_answer_means_done_here_too(nodes: Nodes) -> None:
    """A copy's caller is answered when the copy holds the block, with the copy's receipt."""
    data = nodes.chain.sign(1, VIEW, nonce=0, until_ms=nodes.clock.now_ms() + 60_000)

    done = nodes[1].ordering.submit(data)

    assert done.height <= nodes[1].ledger.tip.height
    assert done == nodes[0].ordering.submit(data) == nodes[1].ordering.submit(data)
    assert nodes[1].ledger.record_bytes(done.height) == nodes[0].ledger.record_bytes(done.height)


def test_a_refusal_at_the_orderer_reaches_the_caller(nodes: Nodes) -> None:
    """By its name and number; bad form is told at home."""
    expired = nodes.chain.sign(1, VIEW, nonce=5, until_ms=GENESIS_MS - 1)

    with pytest.raises(Problem, match="TransactionExpired") as problem:
        nodes[1].ordering.submit(expired)
    assert "11" == problem.value.facts["code"]
    with pytest.raises(Refusal, match="EnvelopeMalformed"):
        nodes[1].ordering.submit(b"")


def test_a_copy_asks_for_a_fresh_tip(nodes: Nodes) -> None:
    """The ordering member makes an empty block, and the copy waits for it."""
    nodes.clock.pass_ms(31_000)

    assert nodes.clock.now_ms() == nodes[1].ordering.fresh_tip().time_ms


def lying(nodes: Nodes, answer: bytes) -> PeerOrdering:
    """The second member's way to an orderer that answers so."""
    node = nodes[1]
    data = codec.encode(Answer(ok=answer))
    peer = Peer(node.identity, nodes[0].actor.id, lambda _call: data, nodes.clock, lambda: 0)
    return PeerOrdering(node.ledger, peer)


def test_an_orderer_cannot_lie_about_the_end(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not about the receipt, not by a block that does not hold it, nor by one that never comes."""
    monkeypatch.setattr("salus.node.ordering.CATCH_UP_S", 0.05)
    sent = nodes.chain.sign(1, term(9), nonce=9, until_ms=nodes.clock.now_ms() + 60_000)
    honest = nodes[1].ordering.submit(sent)
    done = DoneAnswer(height=1, id=bytes(32), position=0, receipt=honest.receipt)
    unsent = nodes.chain.sign(1, VIEW, nonce=99)

    false = replace(done, height=honest.height, receipt=replace(honest.receipt, code=9_002))
    assert honest == lying(nodes, codec.encode(false)).submit(sent)
    with pytest.raises(Problem, match="does not hold it"):
        lying(nodes, codec.encode(done)).submit(unsent)
    with pytest.raises(Problem, match="Behind"):
        lying(nodes, codec.encode(replace(done, height=10_000))).submit(unsent)
    with pytest.raises(Problem, match="AnswerMalformed"):
        lying(nodes, b"").submit(unsent)
    with pytest.raises(Problem, match="Behind"):
        lying(nodes, codec.encode(HeightAnswer(height=10_000))).fresh_tip()


def test_a_copy_that_lost_its_folder_comes_back(tmp_path: Path) -> None:
    """It starts from the genesis and takes every block again, and goes on."""
    with Nodes(tmp_path, members=2) as nodes:
        for nonce in range(3):
            nodes.do([term(nonce)], nonce=nonce)
        nodes.stop(1)
        (tmp_path / "node1").rename(tmp_path / "lost")
        nodes.do([term(7)], nonce=3)

        back = nodes.start(1)

        tip = nodes[0].ledger.tip
        assert tip.height == back.ledger.wait_above(tip.height - 1, 10).height
        assert tip == back.ledger.tip
        nodes.do([term(8)], nonce=4, member=0)


def test_a_stopped_copy_says_why(world: World) -> None:
    """The failure is a Fault: the node's operator reads it."""
    replica = world.follow(lambda _asked: codec.encode(Blocks(records=[b""])))
    replica._thread.join(10)

    assert isinstance(replica.failure, Fault)
    replica.close()


def test_a_copy_says_whether_it_is_fit_to_be_read(world: World) -> None:
    """Behind while old blocks come, well once nothing is new, stopped with the block that lied."""
    add_block(world.honest, world.chain.sign(0, VIEW, nonce=0))
    record = read_record(world.honest.record_bytes(1))
    world.clock.pass_ms(120_000)
    replica = world.follow(lambda _: codec.encode(Blocks(records=[world.honest.record_bytes(1)])))
    assert world.copy.wait_above(0, 10).height == 1
    replica.close()
    behind = replica.unready()
    world.told.clear()
    replica = world.follow(lambda _: codec.encode(Blocks(records=[])))
    assert world.told.wait(10)
    replica.close()
    level = replica.unready()
    world.told.clear()
    replica = world.follow(lambda _: codec.encode(Blocks(records=[codec.encode(record)])))
    assert world.told.wait(10)
    replica.close()

    assert "its copy is behind, at block 1, and catches up by itself" == behind
    assert level is None
    assert str(replica.unready()).startswith("its copy of the ledger stopped: block 2: ")
