"""
B6: `salus audit` at level log on all cores, beside nothing but the signature checks.

The raw arm checks the same envelopes in as many processes, already started and fed from memory;
the audit also starts its processes and reads journal, receipts and log files.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from bench.envelopes import define_terms, lines, sign_all
from bench.loaded import Shelf
from bench.network import Network, add_block, open_ledger
from bench.quiet import prepare
from bench.report import Line
from bench.runs import in_process, in_turns
from salus.machine.genesis import network_id
from salus.node.audit.audit import audit_folder
from salus.node.verify_worker import holds

BLOCK = 1_000
RATIO_BAR = 0.9
RAW_ENVELOPES = 10_000


def measure(shelf: Shelf, transactions: int) -> Iterator[Line]:
    """B6 over so many transactions of an audit line each."""
    folder, genesis = shelf.folder / "audited", shelf.network.genesis
    in_process(_fill, folder, genesis, transactions)
    results = in_turns(
        {
            "audit, level log": lambda: in_process(_audit, folder, genesis, "log"),
            "signature checks alone": lambda: _raw_rate(shelf.network),
            "audit, level full": lambda: in_process(_audit, folder, genesis, "full"),
        }
    )
    rates = {name: median(runs) for name, runs in results.items()}
    raw = rates["signature checks alone"]
    for level in ("log", "full"):
        rate = rates[f"audit, level {level}"]
        yield Line(
            id="B6",
            what=f"audit at level {level}, {transactions:,} transactions",
            unit="of the raw rate",
            salus=rate / raw,
            bar=RATIO_BAR if level == "log" else None,
            note=f"{rate:,.0f} transactions/s; signature checks alone {raw:,.0f}/s",
        )


def _fill(folder: Path, genesis: bytes, transactions: int) -> None:
    prepare()
    network = Network.of(genesis)
    ledger = open_ledger(folder, network)
    define_terms(ledger, network, 1)
    for first in range(1, transactions + 1, BLOCK):
        add_block(ledger, sign_all(network, lines(1), range(first, first + BLOCK), 1))
    ledger.close()


def _audit(folder: Path, genesis: bytes, level: str) -> float:
    """Audit the folder; transactions a second."""
    start_s = time.monotonic()
    report = audit_folder(folder, genesis, level="full" if level == "full" else "log")
    seconds = time.monotonic() - start_s
    assert report.sound, report.findings
    return report.counts["transactions"] / seconds


def _raw_rate(network: Network) -> float:
    """Checks a second of all cores together."""
    cores = os.cpu_count() or 1
    envelopes = sign_all(network, lines(1), range(RAW_ENVELOPES), 1)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        for _ in pool.map(_check, [network.genesis] * cores, [envelopes[:1]] * cores):
            pass
        seconds = list(pool.map(_check, [network.genesis] * cores, [envelopes] * cores))
    return sum(len(envelopes) / one for one in seconds)


def _check(genesis: bytes, envelopes: Sequence[bytes]) -> float:
    """Check them all; seconds."""
    network = network_id(genesis)
    start_s = time.monotonic()
    assert all(holds(network, one) for one in envelopes)
    return time.monotonic() - start_s
