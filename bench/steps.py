"""
Where a transaction's time goes: CPU of each step of a block, one thread, nothing beside it.

`python -m bench.steps --rows 200000`. What the engine adds (tickets, the ways between threads) is
the difference to B1's CPU a transaction; what a step waits for is in no figure but `sync`.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.envelopes import sign_all, three_rows
from bench.loaded import Shelf
from bench.network import Network, new_network, open_ledger
from bench.peers.immudb import CACHE
from bench.quiet import prepare
from bench.runs import in_process
from salus.base import codec
from salus.machine.block import Block, seal
from salus.node.ledger import Executed, Ledger
from salus.node.record import record_of
from salus.node.verify_worker import holds

BLOCK = 1_000
BLOCKS = 20

T = TypeVar("T")


class Steps:
    """CPU seconds by step."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, step: str, work: Callable[[], T]) -> T:
        """Do a step and add its CPU time."""
        start_s = time.thread_time()
        result = work()
        self.seconds[step] += time.thread_time() - start_s
        return result


def main() -> None:
    """Fill a ledger, run blocks step by step, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="steps-", dir=CACHE) as name:
        loaded = Shelf(Path(name), new_network()).loaded(rows)
        seconds = in_process(_measure, loaded.folder, loaded.network.genesis, rows)
    for step, spent in seconds.items():
        sys.stdout.write(f"{step:<40}{spent / (BLOCK * BLOCKS) * 1e6:8.1f} µs a transaction\n")


def _measure(folder: Path, genesis: bytes, rows: int) -> dict[str, float]:
    prepare()
    network = Network.of(genesis)
    envelopes = sign_all(network, three_rows(rows, 1), range(BLOCK * BLOCKS), 1)
    ledger = open_ledger(folder, network)
    steps = Steps()
    for first in range(0, len(envelopes), BLOCK):
        _block(ledger, envelopes[first : first + BLOCK], steps)
    ledger.close()
    return dict(steps.seconds)


def _block(ledger: Ledger, txs: Sequence[bytes], steps: Steps) -> None:
    steps.run(
        "signature, in a process of its own", lambda: [holds(ledger.network, one) for one in txs]
    )
    parsed = steps.run("form", lambda: [ledger.machine.form.read(one) for one in txs])
    block = Block(
        evidence=[], height=ledger.tip.height + 1, time_ms=time.time_ns() // 10**6, txs=list(txs)
    )
    outcome = steps.run(
        "execute: key, nonce, handler, rows read",
        lambda: ledger.machine.execute(ledger.network, ledger._store.get, block, parsed=parsed),
    )
    staged = steps.run("state tree: new root", lambda: ledger._store.stage(outcome.changes))
    sealed = steps.run("log: new root", lambda: seal(outcome, staged.root, ledger._frontier))
    executed = Executed(block=block, outcome=outcome, sealed=sealed, staged=staged)
    record = steps.run("record", lambda: codec.encode(record_of(block, outcome, sealed)))
    start_s = time.monotonic()
    steps.run("journal", lambda: ledger._journal.append(block.height, record))
    steps.seconds["journal, with its sync (time, not CPU)"] += time.monotonic() - start_s
    steps.run("store, index, log files", lambda: ledger._apply(executed))


if __name__ == "__main__":
    main()
