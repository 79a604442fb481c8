"""
Small ledgers on disk for tests of the node: the real parts, a clock that stands, no vault.

    chain = Chain(members=3)                       a genesis file and its members
    ledger = chain.open(folder)                    one member's copy
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    with chain.engine(folder) as engine: ...       an embedded engine over its own ledger
    with Nodes(folder) as nodes: ...               members that follow the first one's engine
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Self

from salus.base import codec, note
from salus.base.note import Signer
from salus.base.policy import default_policy
from salus.base.signing import SigningKey
from salus.chain import MODULES
from salus.client.trust import Trust
from salus.machine.block import Block, Receipt
from salus.machine.execute import Machine
from salus.machine.genesis import FORMAT, Genesis, network_id, write_genesis
from salus.machine.module import Message
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm
from salus.node import cosigner, replica
from salus.node.checkpoints import Checkpoints
from salus.node.cosigner import CosignAsked, Cosigner
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Executed, Ledger
from salus.node.ordering import OwnOrdering, PeerOrdering
from salus.node.peers import Identity, Peer, PeerDoor, Transport, peer_down
from salus.node.proofs import Proofs
from salus.node.replica import BlocksAsked, Replica, blocks_after
from salus.node.signed_request import Request
from salus.node.verify_pool import VerifyPool
from tests.support.machine import GENESIS_MS, LIFETIME_MS, Actor

SEGMENT_BYTES = 1024 * 1024
MACHINE = Machine(MODULES)
VIEW = DefineTerm(kind=1, number=1, text="VIEW")


def term(number: int, text: str = "X") -> DefineTerm:
    """A message that is done once, and refused with 9002 the second time."""
    return DefineTerm(kind=1, number=number, text=text)


class FakeClock:
    """Two clocks that stand where the test puts them."""

    def __init__(self, wall_ms: int = GENESIS_MS) -> None:
        self.wall_ms = wall_ms
        self.steady_s = 1_000.0

    def now_ms(self) -> int:
        """The wall clock."""
        return self.wall_ms

    def monotonic(self) -> float:
        """The steady clock."""
        return self.steady_s

    def pass_ms(self, span_ms: int) -> None:
        """Let time pass: both move."""
        self.wall_ms += span_ms
        self.steady_s += span_ms / 1_000

    def step_ms(self, span_ms: int) -> None:
        """Somebody sets the wall clock: it moves alone."""
        self.wall_ms += span_ms


class Chain:
    """A genesis file and the members in it."""

    def __init__(self, members: int = 3, machine: Machine = MACHINE, power: int = 0) -> None:
        self.machine = machine
        self.members = [Actor(number) for number in range(members)]
        self.genesis = write_genesis(
            Genesis(
                format=FORMAT,
                name="test",
                time_ms=GENESIS_MS,
                mode="embedded",
                version=1,
                members=[one.genesis(power) for one in self.members],
                parameters={},
                modules={},
            )
        )
        self.network = network_id(self.genesis)

    @property
    def trust(self) -> Trust:
        """What a verifier of this network is given: 3 of 4 must have cosigned."""
        keys = {one.id: one.log.public for one in self.members}
        return Trust.of(self.network, default_policy(self.network, keys))

    def open(self, folder: Path, **options: Any) -> Ledger:
        """One copy of the ledger."""
        options = {"segment_bytes": SEGMENT_BYTES, **options}
        return Ledger.open(folder, self.machine, self.genesis, **options)

    def sign(
        self,
        member: int,
        *messages: Message,
        nonce: int,
        until_ms: int = GENESIS_MS + LIFETIME_MS,
        key: SigningKey | None = None,
        network: bytes | None = None,
    ) -> bytes:
        """An envelope of a member."""
        return sign(
            network or self.network,
            key or self.members[member].transaction,
            messages,
            nonce=nonce,
            until_ms=until_ms,
        )

    @contextmanager
    def engine(
        self, folder: Path, clock: FakeClock | None = None, **options: Any
    ) -> Iterator[EmbeddedEngine]:
        """An engine over the ledger in `folder`; both are closed at the end."""
        ledger = self.open(folder / "ledger", **options)
        engine = EmbeddedEngine(
            ledger,
            quarantine=folder / "quarantine",
            clock=clock or FakeClock(),
            pool=VerifyPool(self.network, workers=0),
        )
        try:
            yield engine
        finally:
            engine.close()
            ledger.close()


def add_block(ledger: Ledger, *envelopes: bytes, time_ms: int | None = None) -> list[Receipt]:
    """Execute and commit a block, a second after the last, or at `time_ms`."""
    executed = execute(ledger, *envelopes, time_ms=time_ms)
    ledger.commit(executed)
    return executed.outcome.receipts


def execute(ledger: Ledger, *envelopes: bytes, time_ms: int | None = None) -> Executed:
    """Execute the next block; nothing of it is kept."""
    tip = ledger.tip
    return ledger.execute(
        Block(
            evidence=[],
            height=tip.height + 1,
            time_ms=tip.time_ms + 1_000 if time_ms is None else time_ms,
            txs=list(envelopes),
        )
    )


class NodeOf:
    """One member: its ledger, its door, its notes, and its way to the engine."""

    def __init__(self, nodes: "Nodes", number: int) -> None:
        self.actor = nodes.chain.members[number]
        self.folder = nodes.folder / f"node{number}"
        self.identity = Identity(nodes.chain.network, self.actor.id, self.actor.service)
        self.ledger = nodes.chain.open(self.folder)
        self.pool = VerifyPool(nodes.chain.network, workers=0)
        self.peers = [
            Peer(self.identity, one.id, nodes.transport(at), nodes.clock, self._height)
            for at, one in enumerate(nodes.chain.members)
        ]
        signer = Signer(note.origin(nodes.chain.network, self.actor.id), self.actor.log)
        self.cosigner = Cosigner(self.folder / "cosigned", self.ledger, signer, nodes.clock)
        self.checkpoints = Checkpoints(self.folder / "notes", self.ledger, signer, self.peers)
        self.proofs = Proofs(self.ledger, self.checkpoints)
        self.engine: EmbeddedEngine | None = None
        self.replica: Replica | None = None
        self.ordering: OwnOrdering | PeerOrdering
        routes: dict[str, Callable[[bytes, bytes], bytes]] = {
            replica.ROUTE: lambda _who, body: codec.encode(
                blocks_after(self.ledger, codec.decode(body, BlocksAsked))
            ),
            cosigner.ROUTE: lambda _who, body: codec.encode(
                self.cosigner.cosign(codec.decode(body, CosignAsked))
            ),
        }
        if number == 0:
            self.engine = EmbeddedEngine(
                self.ledger, quarantine=self.folder / "q", clock=nodes.clock, pool=self.pool
            )
            self.ordering = OwnOrdering(self.engine)
            routes.update(self.ordering.routes())
        else:
            self.replica = Replica(self.ledger, self.peers[0], self.pool, nodes.clock)
            self.ordering = PeerOrdering(self.ledger, self.peers[0])
        self.door = PeerDoor(
            nodes.chain.network,
            self.actor.id,
            self.ledger.view,
            routes,
            nodes.clock,
            lambda height: self.ledger.wait_above(height - 1, 3.0).height >= height,
        )

    def close(self) -> None:
        """Stop it; its folder stays."""
        if self.replica is not None:
            self.replica.close()
        if self.engine is not None:
            self.engine.close()
        self.pool.close()
        self.ledger.close()

    def _height(self) -> int:
        return self.ledger.tip.height


class Nodes:
    """Members in one process, as four machines would stand; the first one's engine orders."""

    def __init__(self, folder: Path, members: int = 4, *, running: int | None = None) -> None:
        self.folder = folder
        self.chain = Chain(members)
        self.clock = FakeClock()
        self.running: dict[int, NodeOf] = {}
        for number in range(members if running is None else running):
            self.start(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for number in sorted(self.running):
                stack.callback(self.stop, number)

    def __getitem__(self, number: int) -> NodeOf:
        return self.running[number]

    def start(self, number: int) -> NodeOf:
        """Start a member on its folder."""
        self.running[number] = NodeOf(self, number)
        return self.running[number]

    def stop(self, number: int) -> None:
        """Stop a member; nobody answers at its door."""
        node = self.running.pop(number)
        closer = Thread(target=node.close)
        closer.start()
        if node.replica is not None and 0 in self.running:
            # Its open question would be held for two seconds: a new block answers it.
            node.replica._stopping.wait(1.0)
            self.renew()
        closer.join()

    def renew(self) -> int:
        """An empty block; its height."""
        self.clock.pass_ms(31_000)
        return self.running[0].ordering.fresh_tip().height

    def transport(self, number: int) -> Transport:
        """Signed requests to a member's door, if it runs."""

        def carry(request: Request) -> bytes:
            if number not in self.running:
                raise peer_down("it does not run")
            return self.running[number].door.answer(request)

        return carry

    def do(self, messages: Sequence[Message], nonce: int, member: int = 0) -> bytes:
        """One transaction in a block that all running members hold; its id."""
        until_ms = self.clock.now_ms() + LIFETIME_MS
        envelope = self.chain.sign(member, *messages, nonce=nonce, until_ms=until_ms)
        done = self.running[0].ordering.submit(envelope)
        assert 0 == done.receipt.code
        for node in self.running.values():
            assert done.height <= node.ledger.wait_above(done.height - 1, 10.0).height
        return done.id
