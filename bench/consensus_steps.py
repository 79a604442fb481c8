"""
Where a node's CPU goes while CometBFT orders: each ABCI call of one node, without CometBFT.

    python -m bench.consensus_steps --blocks 20 --transactions 1000

Frames go in and out as over the socket, in one thread, so the figures do not move with what else
the machine does. A transaction is checked once, rechecked as often as it waits through a block,
and goes through one proposal, one decision and one commit.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.consensus import of_salus
from bench.consensus_homes import SEGMENT_BYTES
from bench.member import TrustingPool
from bench.network import new_validators, now_ms, open_ledger
from bench.quiet import prepare
from salus.node.comet.abci_pb2 import (
    CheckTxType,
    Request,
    RequestCheckTx,
    RequestCommit,
    RequestFinalizeBlock,
    RequestPrepareProposal,
    RequestProcessProposal,
)
from salus.node.comet.app import App
from salus.node.comet.frames import FrameReader, frame_all
from salus.node.comet.server import AbciServer
from salus.node.comet.waiting import Waiting
from salus.node.ports import RealClock
from salus.node.quarantine import Quarantine
from salus.node.verify_pool import VerifyPool

ARRIVE = 100
"""CheckTx that arrive together: about what a busy CometBFT writes at once."""

BLOCK_BYTES = 4_000_000

Step = Callable[[Sequence[bytes]], bytes]
"""Frames of requests -> the bytes answered."""


def main() -> None:
    """Print µs of CPU a transaction for each call."""
    parser = argparse.ArgumentParser(prog="python -m bench.consensus_steps", description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--transactions", type=int, default=1000, help="of a block")
    parser.add_argument("--unchecked", action="store_true", help="take every signature for good")
    asked = parser.parse_args()
    prepare()
    with TemporaryDirectory() as name:
        spent = measure(Path(name), asked.blocks, asked.transactions, unchecked=asked.unchecked)
    for step, us in spent.items():
        print(f"{step:<20}{us:8.1f} µs")
    print(f"{'together':<20}{sum(spent.values()):8.1f} µs a transaction")


def measure(folder: Path, blocks: int, transactions: int, *, unchecked: bool) -> dict[str, float]:
    """Call -> µs of CPU a transaction, over all blocks but the first."""
    network = new_validators(4)
    ledger = open_ledger(folder / "ledger", network, SEGMENT_BYTES)
    pool = (TrustingPool if unchecked else VerifyPool)(network.id, workers=0)
    waiting = Waiting(ledger, RealClock())
    app = App(ledger, waiting, pool.check, Quarantine(folder / "quarantine"))
    server = AbciServer(folder / "abci.sock", app, _fail)
    share = blocks * transactions // 4
    of_members = [of_salus(network, member, share) for member in range(4)]
    envelopes = [one for four in zip(*of_members, strict=True) for one in four]
    spent: dict[str, float] = {}
    for block in range(blocks):
        txs = envelopes[block * transactions : (block + 1) * transactions]
        if block == 1:
            spent.clear()
        _block(server, spent, ledger.tip.height + 1, txs, proposes=block % 4 == 0)
    server.close()
    pool.close()
    ledger.close()
    return {step: us / ((blocks - 1) * transactions) for step, us in spent.items()}


def _block(
    server: AbciServer, spent: dict[str, float], height: int, txs: list[bytes], *, proposes: bool
) -> None:
    """One block's calls as one node sees them; every fourth it proposes itself."""
    for first in range(0, len(txs), ARRIVE):
        some = [RequestCheckTx(tx=tx) for tx in txs[first : first + ARRIVE]]
        _time(server, spent, "CheckTx", [Request(check_tx=one) for one in some])
    again = [RequestCheckTx(tx=tx, type=CheckTxType.RECHECK) for tx in txs]
    _time(server, spent, "CheckTx, recheck", [Request(check_tx=one) for one in again])
    now = now_ms()
    when = {"seconds": now // 1000, "nanos": now % 1000 * 1_000_000}
    if proposes:
        prepare_it = RequestPrepareProposal(
            txs=txs, height=height, time=when, max_tx_bytes=BLOCK_BYTES
        )
        _time(server, spent, "proposal", [Request(prepare_proposal=prepare_it)])
    judge = RequestProcessProposal(txs=txs, height=height, time=when)
    _time(server, spent, "proposal", [Request(process_proposal=judge)])
    decide = RequestFinalizeBlock(txs=txs, height=height, time=when)
    _time(server, spent, "FinalizeBlock", [Request(finalize_block=decide)])
    _time(server, spent, "Commit", [Request(commit=RequestCommit())])


def _time(
    server: AbciServer, spent: dict[str, float], step: str, requests: Sequence[Request]
) -> None:
    data = frame_all([one.SerializeToString() for one in requests])
    began_ns = time.process_time_ns()
    answers = server._answers(FrameReader().feed(data))
    frame_all(answers)
    spent[step] = spent.get(step, 0.0) + (time.process_time_ns() - began_ns) / 1e3
    assert len(answers) == len(requests)


def _fail(error: BaseException) -> None:
    raise error


if __name__ == "__main__":
    main()
