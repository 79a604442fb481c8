"""
CometBFT's side of ABCI, played by its call grammar (`spec/abci/abci++_comet_expected_behavior.md`).

    host = AppHost(folder, chain)                 the App over a real ledger, on a real socket
    comet = CometSide(chain)                      has its own blocks, as CometBFT has its store
    comet.connect(host); comet.handshake()        Info, InitChain if asked for, replay of blocks
    comet.decide(txs, rounds=...)                 rounds, FinalizeBlock, Commit
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from salus.machine.execute import Machine
from salus.node.comet.abci_pb2 import (
    CheckTxType,
    Misbehavior,
    Request,
    RequestCheckTx,
    RequestCommit,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestFlush,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestVerifyVoteExtension,
    Response,
    ResponseCheckTx,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseProcessProposal,
    ResponseVerifyVoteExtension,
    Timestamp,
)
from salus.node.comet.app import App, chain_id
from salus.node.comet.frames import FrameReader, frame_all
from salus.node.comet.home import genesis_document
from salus.node.comet.server import AbciServer
from salus.node.comet.validators import validators
from salus.node.comet.waiting import Waiting
from salus.node.ledger import Ledger
from salus.node.quarantine import Quarantine
from salus.node.verify_pool import VerifyPool
from tests.conformance.abci.chain import NetworkChain
from tests.support.ledgers import MACHINE, SEGMENT_BYTES, FakeClock

MAX_TX_BYTES = 4_000_000
BLOCK_MS = 1_000


class AppHost:
    """What the node runs, without CometBFT: started by its constructor, ended by `close`."""

    def __init__(
        self, folder: Path, chain: NetworkChain, machine: Machine = MACHINE, workers: int = 0
    ) -> None:
        self.clock = FakeClock(chain.time_ms)
        self.faults: list[BaseException] = []
        self.ledger = Ledger.open(
            folder / "ledger", machine, chain.genesis, segment_bytes=SEGMENT_BYTES
        )
        self.pool = VerifyPool(chain.network, workers=workers)
        self.waiting = Waiting(self.ledger, self.clock)
        self.quarantine = folder / "quarantine"
        self.app = App(
            self.ledger,
            self.waiting,
            self.pool.check,
            Quarantine(self.quarantine),
            clock=self.clock,
        )
        self.socket = folder / "abci.sock"
        self.server = AbciServer(self.socket, self.app, self.faults.append)

    def close(self) -> None:
        self.server.close()
        self.waiting.close()
        self.pool.close()
        self.ledger.close()


class Connection:
    """One of CometBFT's connections."""

    def __init__(self, path: Path, chunk_bytes: int = 1 << 20) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._chunk_bytes = chunk_bytes
        self._reader = FrameReader()
        self._read: list[bytes] = []

    def send(self, *requests: Request) -> None:
        self.send_bytes(frame_all([one.SerializeToString() for one in requests]))

    def send_bytes(self, data: bytes) -> None:
        for at in range(0, len(data), self._chunk_bytes):
            self._socket.sendall(data[at : at + self._chunk_bytes])

    def receive(self, count: int = 1) -> list[Response]:
        while len(self._read) < count:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the App cut the connection")
            self._read += self._reader.feed(data)
        frames, self._read = self._read[:count], self._read[count:]
        return [Response.FromString(frame) for frame in frames]

    def ask(self, request: Request) -> Response:
        """One request and a Flush, as CometBFT asks on the consensus connection."""
        self.send(request, Request(flush=RequestFlush()))
        (answer,) = self.receive()
        if answer.WhichOneof("value") == "exception":
            raise AppFailed(answer.exception.error)
        (flushed,) = self.receive()
        assert flushed.WhichOneof("value") == "flush"
        return answer

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True)
class Decided:
    """A block in CometBFT's store."""

    txs: list[bytes]
    time_ms: int
    misbehavior: list[Misbehavior] = field(default_factory=list)


class CometSide:
    """One CometBFT, its store, and what it believes of the App."""

    def __init__(self, chain: NetworkChain, seed: int = 1) -> None:
        self.chain = chain
        self.random = Random(seed)
        self.blocks: list[Decided] = []
        self.app_hashes: list[bytes] = []
        """After each block, as first heard; every later answer must be the same."""

        self.codes: list[list[int]] = []
        self.updates: list[list[tuple[bytes, int]]] = []

    def connect(self, host: AppHost, chunk_bytes: int = 1 << 20) -> None:
        self.host = host
        self.consensus, self.mempool, self.query, self.snapshot = (
            Connection(host.socket, chunk_bytes) for _ in range(4)
        )

    def disconnect(self) -> None:
        for one in (self.consensus, self.mempool, self.query, self.snapshot):
            one.close()

    @property
    def height(self) -> int:
        """Of the newest block in the store."""
        return len(self.blocks)

    def info(self) -> ResponseInfo:
        return self.query.ask(Request(info=RequestInfo(version="0.39.4"))).info

    def handshake(self) -> None:
        """Level the App with the store; it must not be ahead."""
        info = self.info()
        assert info.last_block_height <= self.height
        if info.last_block_height == 0:
            first = self.init_chain()
            assert info.last_block_app_hash == first
        else:
            assert info.last_block_app_hash == self.app_hashes[info.last_block_height - 1]
        for height in range(info.last_block_height + 1, self.height + 1):
            self.finalize(height)
            self.commit()

    def init_chain(self, **changed: object) -> bytes:
        asked = {
            "time": Timestamp(seconds=self.chain.time_ms // 1000),
            "chain_id": chain_id(self.chain.network),
            "initial_height": 1,
            "validators": validators(self.host.ledger.view()),
            "app_state_bytes": app_state(self.host.ledger),
            **changed,
        }
        response = self.consensus.ask(Request(init_chain=RequestInitChain(**asked)))  # type: ignore[arg-type]  # a test's field by name
        return response.init_chain.app_hash

    def check(self, *txs: bytes, recheck: bool = False) -> list[ResponseCheckTx]:
        """CheckTx of all, pipelined, then a Flush."""
        kind = CheckTxType.RECHECK if recheck else CheckTxType.NEW
        requests = [Request(check_tx=RequestCheckTx(tx=tx, type=kind)) for tx in txs]
        self.mempool.send(*requests, Request(flush=RequestFlush()))
        *answers, flushed = self.mempool.receive(len(txs) + 1)
        assert flushed.WhichOneof("value") == "flush"
        return [answer.check_tx for answer in answers]

    def prepare(self, txs: Sequence[bytes], max_tx_bytes: int = MAX_TX_BYTES) -> list[bytes]:
        asked = RequestPrepareProposal(
            max_tx_bytes=max_tx_bytes, txs=txs, height=self.height + 1, time=self.next_time()
        )
        response = self.consensus.ask(Request(prepare_proposal=asked))
        return list(response.prepare_proposal.txs)

    def process(self, txs: Sequence[bytes], time_ms: int | None = None) -> bool:
        asked = RequestProcessProposal(
            txs=txs, height=self.height + 1, time=stamp(time_ms or self.next_time_ms())
        )
        status = self.consensus.ask(Request(process_proposal=asked)).process_proposal.status
        assert status != ResponseProcessProposal.UNKNOWN
        return status == ResponseProcessProposal.ACCEPT

    def extend(self) -> None:
        asked = RequestExtendVote(height=self.height + 1)
        extension = self.consensus.ask(Request(extend_vote=asked)).extend_vote.vote_extension
        self.verify_extension(extension)

    def verify_extension(self, extension: bytes) -> None:
        asked = RequestVerifyVoteExtension(height=self.height + 1, vote_extension=extension)
        response = self.consensus.ask(Request(verify_vote_extension=asked))
        assert response.verify_vote_extension.status == ResponseVerifyVoteExtension.ACCEPT

    def store(self, txs: Sequence[bytes], misbehavior: Sequence[Misbehavior] = ()) -> None:
        """Consensus decided; CometBFT writes the block before it tells the App."""
        self.blocks.append(Decided(list(txs), self.next_time_ms(), list(misbehavior)))

    def finalize(self, height: int) -> ResponseFinalizeBlock:
        block = self.blocks[height - 1]
        asked = RequestFinalizeBlock(
            txs=block.txs, misbehavior=block.misbehavior, height=height, time=stamp(block.time_ms)
        )
        response = self.consensus.ask(Request(finalize_block=asked))
        self._remember(height, response.finalize_block)
        return response.finalize_block

    def commit(self) -> None:
        response = self.consensus.ask(Request(commit=RequestCommit()))
        assert response.commit.retain_height == 0

    def decide(self, txs: Sequence[bytes], misbehavior: Sequence[Misbehavior] = ()) -> list[int]:
        """One block without rounds, as block sync brings it; its codes."""
        self.store(txs, misbehavior)
        answer = self.finalize(self.height)
        self.commit()
        return [one.code for one in answer.tx_results]

    def any_height(self, offered: Sequence[bytes]) -> None:
        """
        One height by the grammar: any rounds, then the decision.

        The decided block is one that a proposer prepared in some round, here or elsewhere.
        """
        chosen = list(offered)
        for _ in range(self.random.randrange(4)):
            if self.random.random() < 0.5:
                self.extend_some()
            if self.random.random() < 0.5:
                part = self.random.sample(chosen, self.random.randrange(len(chosen) + 1))
                prepared = self.prepare(part)
                if self.random.random() < 0.8:
                    assert self.process(prepared)
            elif self.random.random() < 0.8:
                self.process(self.random.sample(chosen, self.random.randrange(len(chosen) + 1)))
            self.extend_some()
        self.decide(chosen)

    def extend_some(self) -> None:
        for _ in range(self.random.randrange(3)):
            self.extend()

    def next_time_ms(self) -> int:
        return self.chain.time_ms + BLOCK_MS * (self.height + 1)

    def next_time(self) -> Timestamp:
        return stamp(self.next_time_ms())

    def _remember(self, height: int, answer: ResponseFinalizeBlock) -> None:
        codes = [one.code for one in answer.tx_results]
        updates = [(one.pub_key.ed25519, one.power) for one in answer.validator_updates]
        if height > len(self.app_hashes):
            self.app_hashes.append(answer.app_hash)
            self.codes.append(codes)
            self.updates.append(updates)
        assert self.app_hashes[height - 1] == answer.app_hash
        assert self.codes[height - 1] == codes
        assert self.updates[height - 1] == updates


class AppFailed(Exception):
    """The App answered with an exception."""


def stamp(time_ms: int) -> Timestamp:
    """CometBFT's time has nanoseconds; ours is its whole milliseconds."""
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000 + 999_999)


def app_state(ledger: Ledger) -> bytes:
    """What our genesis file for CometBFT holds, as CometBFT hands it on: its raw JSON."""
    document = genesis_document(ledger).decode()
    at = document.index('"app_state":') + len('"app_state":')
    return document[at : document.index("}", at) + 1].encode()
