"""
One member's node, assembled.

Its copy of the ledger, its way to the engine, its log's signatures, its vault and witness, and the
door the other members call. It sees no plain health data and no patient's key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from salus.base import codec, note
from salus.base.errors import Category, Fault, Problem, invariant
from salus.base.note import Signer
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.node.archive import routes as archive_routes
from salus.node.checkpoints import Checkpoints
from salus.node.comet.anchors import CometAnchors
from salus.node.comet.home import CometHome
from salus.node.comet.light import routes as light_routes
from salus.node.comet.pass_on import PassOn
from salus.node.comet.pass_on import routes as pass_on_routes
from salus.node.comet.state_sync import Offers
from salus.node.cometbft import CometEngine, CometOrdering
from salus.node.cosigner import ROUTE as COSIGN
from salus.node.cosigner import CosignAsked, Cosigner
from salus.node.embedded import EmbeddedEngine
from salus.node.journal import SEGMENT_BYTES
from salus.node.keys import MemberKeys
from salus.node.ledger import Ledger
from salus.node.mode import is_network
from salus.node.ordering import Ordering, OwnOrdering, PeerOrdering
from salus.node.peers import Handler, Identity, Peer, PeerDoor, Transport
from salus.node.ports import Clock, RealClock
from salus.node.proofs import Proofs
from salus.node.replica import ROUTE as BLOCKS
from salus.node.replica import BlocksAsked, Replica, blocks_after
from salus.node.signed_request import Request
from salus.node.snapshots import EVERY_BLOCKS, Snapshots
from salus.node.vault.door import routes as vault_routes
from salus.node.vault.probe import PROBES
from salus.node.vault.repair import RepairReport
from salus.node.vault.vault import Vault
from salus.node.verify_pool import VerifyPool
from salus.node.whole_history import WholeHistory, take_over
from salus.node.witness.door import routes as witness_routes
from salus.node.witness.shares import ShareStore
from salus.node.witness.witness import Witness

REACH_S = 3.0
"""How long a call waits for this copy to reach the caller's height."""


@dataclass(frozen=True)
class NodeSettings:
    """What a node needs to know before it starts."""

    folder: Path
    """The member's own; nobody else reads or writes it."""

    genesis: bytes
    """The network's genesis file."""

    orderer: bytes
    """Id of the member whose embedded engine orders; empty in a network that never had one."""

    segment_bytes: int = SEGMENT_BYTES
    """Size of the journal's files; smaller in tests and demos."""

    verify_workers: int | None = None
    """Processes that check signatures; default cores - 1."""

    snapshot_blocks: int = EVERY_BLOCKS
    """Blocks between state snapshots; the same at every member."""

    comet: CometHome | None = None
    """Set in a network, or for one: there CometBFT orders, and every member runs one."""


class Node:
    """Started by its constructor, stopped by `close`."""

    def __init__(
        self,
        settings: NodeSettings,
        keys: MemberKeys,
        transports: Mapping[bytes, Transport],
        clock: Clock | None = None,
    ) -> None:
        """`transports`: to every other member, by member id; the own door is added here."""
        self.settings = settings
        self.keys = keys
        self.clock = clock or RealClock()
        network = network_id(settings.genesis)
        take_over(
            settings.folder, machine(), settings.genesis, segment_bytes=settings.segment_bytes
        )
        self.ledger = Ledger.open(
            settings.folder, machine(), settings.genesis, segment_bytes=settings.segment_bytes
        )
        self.comet = settings.comet if is_network(self.ledger.view()) else None
        """CometBFT's folder where members' nodes order; None while one member's engine does."""

        self.identity = Identity(network, keys.member, keys.service)
        self.peers = {
            member: Peer(self.identity, member, transport, self.clock, self._height)
            for member, transport in {**transports, keys.member: self.answer}.items()
        }
        self.pool = VerifyPool(network, workers=settings.verify_workers)
        self.snapshots = Snapshots(
            settings.folder / "snapshots", self.ledger, settings.snapshot_blocks
        )
        self._start_log_signing()
        self._start_ordering()
        self._start_vault_and_witness()
        self._start_history()
        self.door = PeerDoor(
            network, keys.member, self.ledger.view, self._routes(), self.clock, self._reach
        )

    def answer(self, request: Request) -> bytes:
        """The door other members call, within a process: a signed request in, an answer out."""
        return self.door.answer(request)

    @property
    def is_orderer(self) -> bool:
        """Whether this node's embedded engine orders the blocks."""
        return self.comet is None and self.settings.orderer == self.keys.member

    @property
    def has_moved(self) -> bool:
        """Whether members' own nodes order by now, and this node was started before."""
        return self.comet is None and is_network(self.ledger.view())

    def peer(self, member: bytes) -> Peer:
        """A member as seen from here, this one too; raises Problem PeerUnknown."""
        found = self.peers.get(member)
        if found is None:
            raise Problem(
                Category.NOT_FOUND, "PeerUnknown", "no way to this member is configured here"
            )
        return found

    def add_peer(self, member: bytes, transport: Transport) -> None:
        """Know one more member: it was admitted since the start."""
        peer = Peer(self.identity, member, transport, self.clock, self._height)
        self.peers = {**self.peers, member: peer}
        self.checkpoints.add_peer(peer)

    def repair_vault(self) -> RepairReport:
        """Fetch what this member should hold and lacks, or holds damaged."""
        return self.vault.repair(self._others())

    def probe_vaults(self) -> list[tuple[bytes, bytes]]:
        """Try whether the others hold what they gave receipts for; (member, batch) that failed."""
        return self.vault.probe(self._others(), PROBES)

    def close(self) -> None:
        """Stop taking work, finish what is under way, flush and close."""
        if self.history is not None:
            self.history.close()
        if self.replica is not None:
            self.replica.close()
        if self.pass_on is not None:
            self.pass_on.close()
        if self.engine is not None:
            self.engine.close()
        self.vault.close()
        self.witness.close()
        self.shares.close()
        self.pool.close()
        self.snapshots.close()
        self.ledger.close()

    def _start_log_signing(self) -> None:
        signer = Signer(note.origin(self.ledger.network, self.keys.member), self.keys.log)
        folder = self.settings.folder / "notes"
        self.cosigner = Cosigner(folder / "cosigned", self.ledger, signer, self.clock)
        self.checkpoints = Checkpoints(folder, self.ledger, signer, list(self.peers.values()))
        home = self.comet
        by_votes = None if home is None else CometAnchors(self.ledger, home, self._others)
        self.proofs = Proofs(self.ledger, self.checkpoints, by_votes)
        self._check_nothing_signed_is_lost()

    def _check_nothing_signed_is_lost(self) -> None:
        """A journal that ends before what this member signed lost acknowledged blocks."""
        note_size = 0 if (newest := self.checkpoints.newest) is None else newest.checkpoint.size
        signed = max(self.cosigner.newest_size(), note_size)
        if self.ledger.tip.log_size < signed and self.is_orderer:
            raise Fault(
                f"this member signed a log of {signed} entries, its journal has "
                f"{self.ledger.tip.log_size}: acknowledged blocks are lost. Restore the journal "
                "from a backup or another member (`salus repair`)."
            )

    def _start_ordering(self) -> None:
        self.engine: EmbeddedEngine | CometEngine | None = None
        self.replica: Replica | None = None
        self.pass_on: PassOn | None = None
        self.ordering: Ordering
        quarantine = self.settings.folder / "quarantine"
        if self.comet is not None:
            self.comet.check_node_key()
            self.engine = CometEngine(
                self.ledger,
                self.comet,
                quarantine=quarantine,
                clock=self.clock,
                pool=self.pool,
                offers=Offers(self.snapshots),
            )
            self.pass_on = PassOn(self.engine.mempool, self._others)
            self.ordering = CometOrdering(self.engine)
        elif self.is_orderer:
            self.engine = EmbeddedEngine(
                self.ledger, quarantine=quarantine, clock=self.clock, pool=self.pool
            )
            self.ordering = OwnOrdering(self.engine)
        else:
            orderer = self.peers[self.settings.orderer]
            self.replica = Replica(self.ledger, orderer, self.pool, self.clock)
            self.ordering = PeerOrdering(self.ledger, orderer)

    def _start_vault_and_witness(self) -> None:
        folder = self.settings.folder
        self.shares = ShareStore(
            folder / "witness", self.keys.storage, [self.keys.sealing], self.clock
        )
        self.vault = Vault(
            folder / "vault",
            self.ledger,
            self.identity,
            self.shares,
            self.clock,
            fresh_tip=self._renew,
        )
        self.witness = Witness(
            folder / "witness",
            self.ledger,
            self.identity,
            self.shares,
            self.clock,
            fresh_tip=self._renew,
        )

    def _start_history(self) -> None:
        """A copy that was restored from a snapshot fetches what lies before it."""
        self.history: WholeHistory | None = None
        if self.ledger.start.height == 0:
            return
        invariant(
            not self.is_orderer,
            "the ordering member's ledger was restored from a snapshot: it must have all blocks. "
            "Remove journal, log, state and start from its folder, then run `salus node recover`",
        )
        orderer = self.peers.get(self.settings.orderer)
        self.history = WholeHistory(
            self.settings.folder,
            self.ledger,
            self._others() if self.comet is not None or orderer is None else [orderer],
            segment_bytes=self.settings.segment_bytes,
        )

    def _others(self) -> list[Peer]:
        return [peer for member, peer in self.peers.items() if member != self.keys.member]

    def _height(self) -> int:
        return self.ledger.tip.height

    def _reach(self, height: int) -> bool:
        return self.ledger.wait_above(height - 1, REACH_S).height >= height

    def _renew(self) -> None:
        self.ordering.fresh_tip()

    def _routes(self) -> dict[str, Handler]:
        routes: dict[str, Handler] = {
            BLOCKS: lambda _sender, body: codec.encode(
                blocks_after(self.ledger, codec.decode(body, BlocksAsked))
            ),
            COSIGN: lambda _sender, body: codec.encode(
                self.cosigner.cosign(codec.decode(body, CosignAsked))
            ),
        }
        routes.update(archive_routes(self.ledger, self.snapshots))
        routes.update(vault_routes(self.vault))
        routes.update(witness_routes(self.witness))
        if self.comet is not None:
            routes.update(light_routes(self.comet))
        if isinstance(self.engine, CometEngine):
            routes.update(pass_on_routes(self.engine.take_in))
        if isinstance(self.ordering, OwnOrdering):
            routes.update(self.ordering.routes())
        return routes
