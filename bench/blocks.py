"""
B1: the embedded engine in process, durable, a signature a transaction, 300 B, three rows.

Beside it SQLite with the same bytes in transactions of a block's size (one sync for as many rows),
which checks no signature, proves nothing and keeps one copy.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.drive import Driven, drive
from bench.envelopes import sign_all, three_rows
from bench.loaded import Loaded, Shelf
from bench.network import Network, open_ledger
from bench.peer_arms import peer_rates
from bench.quiet import prepare
from bench.report import Line
from bench.runs import TIMES, in_process, in_turns, median_of

FULL_BLOCK = 1_000
FULL_IN_FLIGHT = 2_400
"""Waiting at any time, so that blocks have about 1,000: one is made, one gathers, some answered."""

IN_FLIGHT = 100
LATENCY_TRANSACTIONS = 20_000
LATENCY_BAR_MS = 30.0
MEMORY_BAR_MB = 1_500.0

LARGE_ROWS = 5_000_000
RATE_BAR = 7_000.0
RATE_BAR_LARGE = 6_300.0


def measure(shelf: Shelf, sizes: Sequence[int], transactions: int) -> Iterator[Line]:
    """B1 at each number of rows, with `transactions` a run."""
    for rows in sizes:
        loaded = shelf.loaded(rows)
        yield from _full_blocks(loaded, transactions)
        yield _latency(loaded)


def _full_blocks(loaded: Loaded, transactions: int) -> Iterator[Line]:
    peers = peer_rates(loaded.folder.parent, ["sqlite-grouped"], clients=1)
    driven: list[Driven] = []

    def run() -> float:
        driven.append(_drive_in_process(loaded, transactions, FULL_IN_FLIGHT))
        return driven[-1].per_second

    results = in_turns({"Salus": run, **peers})
    rates = {name: median(runs) for name, runs in results.items()}
    size = f"{loaded.rows:,} rows"
    middle = min(driven, key=lambda one: abs(one.per_second - rates["Salus"]))
    yield Line(
        id="B1",
        what=f"blocks of {FULL_BLOCK:,}, {size}",
        unit="tx/s",
        salus=rates.pop("Salus"),
        peers=rates,
        bar=RATE_BAR_LARGE if loaded.rows >= LARGE_ROWS else RATE_BAR,
        note=(
            f"{middle.block_size:,.0f} a block, a sync a block, "
            f"{middle.cpu_ms_per_1000:.0f} ms CPU a 1,000 transactions "
            f"(alone on a core: {1e6 / middle.cpu_ms_per_1000:,.0f} tx/s), "
            f"{middle.journal_bytes:,.0f} B of journal a transaction, "
            f"latency p50 {middle.p50_ms:.0f} ms, p99 {middle.p99_ms:.0f} ms"
        ),
    )
    yield Line(
        id="B1",
        what=f"memory, {size}",
        unit="MB",
        salus=max(one.memory_mb for one in driven),
        bar=MEMORY_BAR_MB,
        is_ceiling=True,
    )


def _latency(loaded: Loaded) -> Line:
    driven = [_drive_in_process(loaded, LATENCY_TRANSACTIONS, IN_FLIGHT) for _ in range(TIMES)]
    return Line(
        id="B1",
        what=f"latency p99, {IN_FLIGHT} in flight, {loaded.rows:,} rows",
        unit="ms",
        salus=median_of(driven, lambda one: one.p99_ms),
        bar=LATENCY_BAR_MS,
        is_ceiling=True,
        note=(
            f"p50 {median_of(driven, lambda one: one.p50_ms):.0f} ms at "
            f"{median_of(driven, lambda one: one.per_second):,.0f} tx/s, "
            f"{median_of(driven, lambda one: one.block_size):.0f} a block"
        ),
    )


def _drive_in_process(loaded: Loaded, transactions: int, in_flight: int) -> Driven:
    return in_process(
        _drive,
        loaded.folder,
        loaded.network.genesis,
        rows=loaded.rows,
        run=loaded.next_run(),
        transactions=transactions,
        in_flight=in_flight,
    )


def _drive(
    folder: Path, genesis: bytes, *, rows: int, run: int, transactions: int, in_flight: int
) -> Driven:
    prepare()
    network = Network.of(genesis)
    envelopes = sign_all(network, three_rows(rows, run), range(transactions), run)
    ledger = open_ledger(folder, network)
    try:
        return drive(ledger, folder, envelopes, in_flight)
    finally:
        ledger.close()
