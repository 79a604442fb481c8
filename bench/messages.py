"""B2: a hundred messages under one signature, as audit lines and as rows."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.drive import Driven, drive
from bench.envelopes import Make, define_terms, hundred_rows, lines, sign_all
from bench.loaded import Loaded, Shelf
from bench.network import Network, open_ledger
from bench.peer_arms import peer_rates
from bench.quiet import prepare
from bench.report import Line
from bench.runs import in_process, in_turns, median_of

MESSAGES = 100
IN_FLIGHT = 40
"""Transactions waiting: blocks of about 20, which is 2,000 messages a sync."""

LINES_BAR = 60_000.0
ROWS_BAR = 30_000.0


def measure(shelf: Shelf, rows: int, transactions: int) -> Iterator[Line]:
    """B2 on a ledger with so many rows, with `transactions` of 100 messages a run."""
    loaded = shelf.loaded(rows)
    driven: dict[str, list[Driven]] = {"lines": [], "rows": []}

    def run(kind: str) -> float:
        one = _drive_in_process(loaded, transactions, of_lines=kind == "lines")
        driven[kind].append(one)
        return one.per_second * MESSAGES

    peers = peer_rates(loaded.folder.parent, ["sqlite-grouped"], clients=1)
    arms: dict[str, Callable[[], float]] = {kind: partial(run, kind) for kind in driven}
    results = in_turns(arms | peers)
    rates = {name: median(runs) for name, runs in results.items()}
    for kind, what, bar in (
        ("lines", "100 audit lines a signature", LINES_BAR),
        ("rows", f"100 messages with a row each, {rows:,} rows", ROWS_BAR),
    ):
        cpu_us = median_of(driven[kind], lambda one: one.cpu_ms_per_1000) / MESSAGES
        yield Line(
            id="B2",
            what=what,
            unit="messages/s",
            salus=rates[kind],
            peers={name: rates[name] for name in peers},
            bar=bar,
            note=f"{cpu_us:.1f} µs CPU a message",
        )


def _drive_in_process(loaded: Loaded, transactions: int, *, of_lines: bool) -> Driven:
    return in_process(
        _drive,
        loaded.folder,
        loaded.network.genesis,
        rows=loaded.rows,
        run=loaded.next_run(),
        transactions=transactions,
        of_lines=of_lines,
    )


def _drive(
    folder: Path, genesis: bytes, *, rows: int, run: int, transactions: int, of_lines: bool
) -> Driven:
    prepare()
    network = Network.of(genesis)
    make: Make = lines(MESSAGES) if of_lines else hundred_rows(rows, run)
    envelopes = sign_all(network, make, range(1, transactions + 1), run)
    ledger = open_ledger(folder, network)
    try:
        define_terms(ledger, network, run)
        return drive(ledger, folder, envelopes, IN_FLIGHT)
    finally:
        ledger.close()
