"""B8: how long a node's ledger takes to start with a million transactions, clean and killed."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.envelopes import define_terms, lines, sign_all
from bench.loaded import Shelf
from bench.network import Network, add_block, open_ledger
from bench.quiet import prepare
from bench.report import Line
from bench.runs import TIMES, in_process
from salus.node.ledger import Ledger

BLOCK = 1_000
UNWRITTEN_BLOCKS = 64
"""Blocks in memory only when the process is killed: the most there can be."""

START_BAR_S = 5.0


def measure(shelf: Shelf, transactions: int) -> Iterator[Line]:
    """B8 with so many transactions of an audit line each, in blocks of 1,000."""
    sys.stderr.write(f"  filling {transactions:,} transactions\n")
    folder, genesis = shelf.folder / "starts", shelf.network.genesis
    in_process(_fill, folder, genesis, transactions)
    clean_s = [in_process(_start, folder, genesis, time.time()) for _ in range(TIMES)]
    killed_s = []
    for number in range(TIMES):
        _write_and_be_killed(folder, genesis, number + 2)
        killed_s.append(in_process(_start, folder, genesis, time.time()))
    for what, seconds in (("a clean stop", clean_s), ("a kill", killed_s)):
        yield Line(
            id="B8",
            what=f"start after {what}, {transactions:,} transactions",
            unit="s",
            salus=median(seconds),
            bar=START_BAR_S,
            is_ceiling=True,
            note="from the start of the process to an open ledger",
        )


def _fill(folder: Path, genesis: bytes, transactions: int) -> None:
    prepare()
    network = Network.of(genesis)
    ledger = open_ledger(folder, network)
    define_terms(ledger, network, 1)
    _add_lines(ledger, network, transactions, run=1)
    ledger.close()


def _start(folder: Path, genesis: bytes, began_s: float) -> float:
    """Open the ledger; seconds since the parent asked for this process."""
    prepare()
    ledger = open_ledger(folder, Network.of(genesis))
    seconds = time.time() - began_s
    ledger.close()
    return seconds


def _write_and_be_killed(folder: Path, genesis: bytes, run: int) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_write_and_wait, args=(folder, genesis, run)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _write_and_wait(folder: Path, genesis: bytes, run: int) -> None:
    prepare()
    network = Network.of(genesis)
    _add_lines(open_ledger(folder, network), network, UNWRITTEN_BLOCKS * BLOCK, run=run)
    os.kill(os.getpid(), signal.SIGKILL)


def _add_lines(ledger: Ledger, network: Network, transactions: int, *, run: int) -> None:
    make = lines(1)
    for first in range(1, transactions + 1, BLOCK):
        add_block(ledger, sign_all(network, make, range(first, first + BLOCK), run))
