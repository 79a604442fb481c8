"""
A member that lost its disk, and three that have everything and may be made to lie or be silent.

    case = Case(folder)
    case.senders[0].handlers[CHUNK] = lie(...)     from then on that member answers so
    case.rejoin(); case.open()                     by a snapshot, into the lost folder
"""

import time
from collections.abc import Callable
from pathlib import Path

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.node.archive import Stated, routes
from salus.node.comet.light import ROUTE as LIGHT
from salus.node.ledger import Ledger
from salus.node.peers import Handler, Identity, Peer, PeerDoor, peer_down
from salus.node.rejoin import rejoin_by_snapshot
from salus.node.replica import ROUTE as BLOCKS
from salus.node.replica import BlocksAsked, blocks_after
from salus.node.signed_request import Request
from salus.node.snapshots import Snapshots
from tests.support.ledgers import Chain, FakeClock, add_block, term

HEIGHT = 8
SNAPSHOT = 6


class Sender:
    """A member that has everything, and may be made to lie or to be silent."""

    def __init__(self, chain: Chain, number: int, folder: Path, clock: FakeClock) -> None:
        self.member = chain.members[number].id
        self.ledger = chain.open(folder / "ledger")
        self.snapshots = Snapshots(folder / "snapshots", self.ledger, every_blocks=SNAPSHOT)
        for nonce in range(HEIGHT):
            add_block(self.ledger, chain.sign(0, term(nonce), nonce=nonce))
        self.silent = False
        self.asked: list[str] = []
        self.handlers: dict[str, Handler] = {
            **routes(self.ledger, self.snapshots),
            BLOCKS: lambda _sender, body: codec.encode(
                blocks_after(self.ledger, codec.decode(body, BlocksAsked))
            ),
            LIGHT: raising(Problem(Category.UNAVAILABLE, "CometDown", "it has no CometBFT")),
        }
        self.door = PeerDoor(
            chain.network,
            self.member,
            self.ledger.view,
            {route: self._heard(route) for route in self.handlers},
            clock,
            lambda _height: True,
        )

    def carry(self, request: Request) -> bytes:
        """The transport that leads here."""
        if self.silent:
            raise peer_down("it is silent")
        return self.door.answer(request)

    def wait_snapshot(self) -> None:
        """The snapshot is made in a thread of its own."""
        end_s = time.monotonic() + 20
        while SNAPSHOT not in self.snapshots.heights():
            assert time.monotonic() < end_s
            time.sleep(0.01)

    def close(self) -> None:
        """End its parts."""
        self.snapshots.close()
        self.ledger.close()

    def _heard(self, route: str) -> Callable[[bytes, bytes], bytes]:
        def answer(sender: bytes, body: bytes) -> bytes:
            self.asked.append(route)
            return self.handlers[route](sender, body)

        return answer


class Case:
    """Member 3 lost its disk; 0, 1 and 2 have everything."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=4)
        self.clock = FakeClock()
        self.folder = folder / "lost"
        self.senders = [
            Sender(self.chain, number, folder / str(number), self.clock) for number in range(3)
        ]
        for sender in self.senders:
            sender.wait_snapshot()
        me = self.chain.members[3]
        identity = Identity(self.chain.network, me.id, me.service)
        self.peers = [
            Peer(identity, one.member, one.carry, self.clock, lambda: 0) for one in self.senders
        ]

    def rejoin(self) -> Stated:
        """By a snapshot, into the lost folder."""
        return rejoin_by_snapshot(self.folder, self.chain.machine, self.chain.genesis, self.peers)

    def open(self) -> Ledger:
        """The copy in the lost folder."""
        return self.chain.open(self.folder)


def lie(answer: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    """A handler that answers by the body alone."""
    return lambda _sender, body: answer(body)


def raising(problem: Problem) -> Callable[[bytes, bytes], bytes]:
    """A handler that says no."""

    def answer(_sender: bytes, _body: bytes) -> bytes:
        raise problem

    return answer
