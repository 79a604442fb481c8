"""
A running member that gives snapshots and one without a ledger that takes one, on real sockets.

    case.joining.offer(case.offered[0], case.app_hash); case.joining.apply_all(case.chunks)
    case.joining.crash(); case.joining.start()      as a process that was killed
"""

from pathlib import Path

from salus.base.hashing import sha256
from salus.node.comet.abci_pb2 import (
    Request,
    RequestApplySnapshotChunk,
    RequestInfo,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseInfo,
    Snapshot,
)
from salus.node.comet.app import App
from salus.node.comet.joiner import Joiner
from salus.node.comet.server import AbciServer
from salus.node.comet.state_sync import Offers, Taker
from salus.node.ledger import Ledger
from salus.node.quarantine import Quarantine
from salus.node.snapshots import Meta, Snapshots, write_snapshot
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.driver import CometSide, Connection
from tests.support.ledgers import MACHINE, term

BLOCKS = 4
NODE = "ab" * 20
"""Who sends chunks, by its node's name."""


class Stating:
    """The members' own word on a block, from one copy of the ledger; `silent`: nobody answers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.silent = False

    def stand_behind(self, meta: Meta) -> bool:
        record = self._ledger.record(meta.height)
        stated = (record.app, record.height, record.time_ms)
        return not self.silent and stated == (meta.app_hash, meta.height, meta.time_ms)

    def offering(self, data: bytes) -> list[str]:
        return [] if self.silent else [sha256(data).hex()]

    def named(self, sender: str) -> str:
        return f"node {sender}"


class Joining:
    """A member without a ledger, on a socket; `crash` and `start` as a process would."""

    def __init__(self, folder: Path, chain: NetworkChain, stating: Stating) -> None:
        self._chain = chain
        self._stating = stating
        self._socket = folder / "joiner.sock"
        self.ledger = folder / "ledger"
        self.faults: list[BaseException] = []
        self.start()

    def start(self) -> None:
        self.taker = Taker(
            self.ledger, MACHINE, self._chain.genesis, self._stating, stirred=lambda: None
        )
        self.joiner = Joiner(self.taker, [NODE])
        self._server = AbciServer(self._socket, self.joiner, self.faults.append)
        self.line = Connection(self._socket)

    def crash(self) -> None:
        """Nothing in memory stays."""
        self.joiner.release()
        self.line.close()
        self._server.close()

    def info(self) -> ResponseInfo:
        return self.line.ask(Request(info=RequestInfo())).info

    def offer(self, snapshot: Snapshot, app_hash: bytes) -> int:
        asked = RequestOfferSnapshot(snapshot=snapshot, app_hash=app_hash)
        return self.line.ask(Request(offer_snapshot=asked)).offer_snapshot.result

    def apply(self, index: int, chunk: bytes, sender: str = NODE) -> ResponseApplySnapshotChunk:
        asked = RequestApplySnapshotChunk(index=index, chunk=chunk, sender=sender)
        return self.line.ask(Request(apply_snapshot_chunk=asked)).apply_snapshot_chunk

    def apply_all(self, chunks: list[bytes]) -> list[int]:
        return [self.apply(index, chunk).result for index, chunk in enumerate(chunks)]


class Case:
    """A running member with two snapshots, and one without a ledger."""

    def __init__(self, folder: Path, chain: NetworkChain, comet: CometSide) -> None:
        self.comet = comet
        self.chain = chain
        host = comet.host
        for number in range(2):
            comet.decide([chain.sign(0, term(number + 1))])
        first = write_snapshot(folder / "snapshots", host.ledger.copy_state())
        for number in range(2, BLOCKS):
            comet.decide([chain.sign(0, term(number + 1))])
        newest = write_snapshot(folder / "snapshots", host.ledger.copy_state())
        self.heights = [int(newest.name), int(first.name)]
        self.snapshots = Snapshots(folder / "snapshots", host.ledger)
        app = App(
            host.ledger, host.waiting, host.pool.check, Quarantine(folder / "quarantine"),
            Offers(self.snapshots),
        )  # fmt: skip
        self._socket = folder / "giver.sock"
        self._server = AbciServer(self._socket, app, host.faults.append)
        self.giver = Connection(self._socket)
        self.offered = self.listed()
        self.app_hash = host.ledger.tip.app_hash
        self.chunks = [self.load(index) for index in range(self.offered[0].chunks)]
        self.stating = Stating(host.ledger)
        self.joining = Joining(folder, chain, self.stating)

    def listed(self) -> list[Snapshot]:
        asked = Request(list_snapshots=RequestListSnapshots())
        return list(self.giver.ask(asked).list_snapshots.snapshots)

    def load(self, index: int, height: int = BLOCKS, kind: int = 1) -> bytes:
        asked = RequestLoadSnapshotChunk(height=height, format=kind, chunk=index)
        return self.giver.ask(Request(load_snapshot_chunk=asked)).load_snapshot_chunk.chunk

    def take(self) -> list[int]:
        """The newest, whole."""
        accepted = self.joining.offer(self.offered[0], self.app_hash)
        return [accepted, *self.joining.apply_all(self.chunks)]

    def restored(self) -> Ledger:
        """The ledger that was made."""
        return Ledger.open(self.joining.ledger, MACHINE, self.chain.genesis)

    def close(self) -> None:
        self.joining.crash()
        self.giver.close()
        self._server.close()
        self.snapshots.close()
