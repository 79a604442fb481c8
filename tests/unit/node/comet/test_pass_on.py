"""What waits too long at one node is handed to the others, once, oldest first."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.node.comet import pass_on
from salus.node.comet.pass_on import BATCH_MAX, OVERDUE_S, ROUTE, PassedOn, PassOn, fitting, routes
from salus.node.comet.waiting import NOBODY, Waiting
from salus.node.ledger import Ledger
from salus.node.mempool import Ticket
from salus.node.peers import Identity, Peer, PeerDoor, peer_down
from salus.node.signed_request import Request
from tests.support.ledgers import Chain, FakeClock, term

LOOK_S = 0.01
WAIT_S = 20.0


class World:
    """What waits at the first member's node, and the second one's door."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=4)
        self.clock = FakeClock()
        self.ledger: Ledger = self.chain.open(folder)
        self.waiting = Waiting(self.ledger, self.clock)
        self.came: list[bytes] = []
        caller, callee = self.chain.members[:2]
        network = self.ledger.network
        self.door = PeerDoor(
            network, callee.id, self.ledger.view, routes(self.came.append), self.clock,
            lambda _height: True,
        )  # fmt: skip
        identity = Identity(network, caller.id, caller.service)
        self.peers = [
            Peer(identity, callee.id, self.door.answer, self.clock, lambda: 0),
            Peer(identity, self.chain.members[2].id, self.silent, self.clock, lambda: 0),
        ]

    def silent(self, _request: Request) -> bytes:
        """A member whose node is down."""
        raise peer_down("ConnectError")

    def ticket(self, member: int, number: int = 1) -> Ticket:
        data = self.chain.sign(member, term(number), nonce=0)
        return Ticket(data, self.ledger.machine.form.read(data))

    def close(self) -> None:
        self.waiting.close()
        self.ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Nothing waits yet."""
    made = World(tmp_path)
    yield made
    made.close()


def test_what_waits_too_long_goes_to_whoever_takes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, though it waits on; neither what is new nor what came from elsewhere."""
    monkeypatch.setattr(pass_on, "LOOK_S", LOOK_S)
    old, new, strange = world.ticket(0), world.ticket(1, 2), world.ticket(2, 3)
    strange.done = NOBODY
    world.waiting.add(old)
    world.waiting.add(strange)
    world.clock.pass_ms(int(OVERDUE_S * 1_000))
    world.waiting.add(new)
    passing = PassOn(world.waiting, lambda: world.peers)
    end_s = time.monotonic() + WAIT_S
    while not world.came and time.monotonic() < end_s:
        time.sleep(LOOK_S)
    time.sleep(10 * LOOK_S)
    passing.close()

    assert [old.data] == world.came


def test_a_call_carries_a_bounded_batch(world: World) -> None:
    """So many, so many bytes, and the door takes no more in one call."""
    ticket = world.ticket(0)
    long = Ticket(bytes(pass_on.BATCH_BYTES_MAX - 1), ticket.transaction)

    assert BATCH_MAX == len(fitting([ticket] * (BATCH_MAX + 1)))
    assert [long] == fitting([long, ticket])
    with pytest.raises(Problem, match="BodyMalformed"):
        world.peers[0].call(ROUTE, codec.encode(PassedOn(envelopes=[b"x"] * (BATCH_MAX + 1))))
