"""
One node as a process of its own, so that it can be killed; spoken to by lines.

    python -m tests.conformance.abci.node_process GENESIS FOLDER LISTEN PEER,PEER,… [WORKERS]

    submit HEX …   done HEIGHT CODE, or refused NAME, one line each, in order
    tip            tip HEIGHT APP_HASH
    comet          comet PID
"""

import logging
import sys
from pathlib import Path

import structlog

from salus.base.errors import Problem, Refusal
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.node.comet.home import CometHome
from salus.node.cometbft import CometEngine
from salus.node.ledger import Ledger
from salus.node.verify_pool import VerifyPool

SEGMENT_BYTES = 1024 * 1024
WAIT_S = 60.0


def main() -> None:
    """Run until the input ends."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    genesis_path, folder, listen, peers, *rest = sys.argv[1:]
    genesis = Path(genesis_path).read_bytes()
    home = CometHome(Path(folder) / "comet", listen, tuple(peers.split(",")))
    ledger = Ledger.open(Path(folder) / "ledger", machine(), genesis, segment_bytes=SEGMENT_BYTES)
    pool = VerifyPool(network_id(genesis), workers=int(rest[0]) if rest else 0)
    engine = CometEngine(ledger, home, quarantine=Path(folder) / "quarantine", pool=pool)
    for line in sys.stdin:
        for answer in answers(engine, line.split()):
            print(answer, flush=True)
    engine.close()
    pool.close()
    ledger.close()


def answers(engine: CometEngine, words: list[str]) -> list[str]:
    """What one line is answered with."""
    match words:
        case ["submit", *envelopes]:
            return submit(engine, [bytes.fromhex(one) for one in envelopes])
        case ["tip"]:
            tip = engine.ledger.tip
            return [f"tip {tip.height} {tip.app_hash.hex()}"]
        case ["comet"]:
            return [f"comet {engine.process.pid}"]
        case _:
            return ["unknown"]


def submit(engine: CometEngine, envelopes: list[bytes]) -> list[str]:
    """All at once, then wait for each."""
    tickets = [engine.submit(one) for one in envelopes]
    told = []
    for ticket in tickets:
        try:
            done = ticket.done.result(WAIT_S)
        except (Refusal, Problem, TimeoutError) as error:
            told.append(f"refused {type(error).__name__}")
        else:
            told.append(f"done {done.height} {done.receipt.code}")
    return told


if __name__ == "__main__":
    main()
