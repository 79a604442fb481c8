"""Which bars there are, and how much of each a run measures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import audit_log, blocks, consensus, http, imports, lines, messages, proofs, starts
from bench.loaded import Shelf
from bench.report import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    rows: tuple[int, ...]
    """Loaded states for B1, smallest first; the last one that is at most a million serves B5."""

    block_transactions: int
    """Transactions a run of B1."""

    message_transactions: int
    """Transactions of 100 messages a run of B2."""

    http_rows: int
    http_seconds: float
    http_times: int
    consensus: consensus.Asked
    lines_a_site: int
    audit_transactions: int
    start_transactions: int
    documents: int


QUICK = Sizes(
    rows=(20_000,),
    block_transactions=6_000,
    message_transactions=200,
    http_rows=20_000,
    http_seconds=1.0,
    http_times=1,
    consensus=consensus.Asked(seconds=3.0, times=1),
    lines_a_site=500,
    audit_transactions=40_000,
    start_transactions=50_000,
    documents=5,
)
USUAL = Sizes(
    rows=(200_000, 1_000_000),
    block_transactions=30_000,
    message_transactions=1_000,
    http_rows=200_000,
    http_seconds=4.0,
    http_times=3,
    consensus=consensus.Asked(seconds=8.0, times=3),
    lines_a_site=10_000,
    audit_transactions=200_000,
    start_transactions=1_000_000,
    documents=61,
)
FULL = Sizes(
    rows=(200_000, 1_000_000, 5_000_000),
    block_transactions=30_000,
    message_transactions=1_000,
    http_rows=200_000,
    http_seconds=4.0,
    http_times=3,
    consensus=consensus.Asked(seconds=8.0, times=3),
    lines_a_site=10_000,
    audit_transactions=200_000,
    start_transactions=1_000_000,
    documents=61,
)

PROOF_ROWS = 1_000_000

BARS: dict[str, Callable[[Shelf, Sizes], Iterator[Line]]] = {
    "B1": lambda shelf, sizes: blocks.measure(shelf, sizes.rows, sizes.block_transactions),
    "B2": lambda shelf, sizes: messages.measure(shelf, sizes.rows[0], sizes.message_transactions),
    "B3": lambda shelf, sizes: http.measure(
        shelf, sizes.http_rows, sizes.http_seconds, sizes.http_times
    ),
    "B4": lambda shelf, sizes: consensus.measure(shelf.folder, sizes.consensus),
    "B5": lambda shelf, sizes: proofs.measure(
        shelf, max(rows for rows in sizes.rows if rows <= PROOF_ROWS)
    ),
    "B6": lambda shelf, sizes: audit_log.measure(shelf, sizes.audit_transactions),
    "B7": lambda shelf, sizes: lines.measure(shelf.folder, sizes.lines_a_site),
    "B8": lambda shelf, sizes: starts.measure(shelf, sizes.start_transactions),
    "FHIR": lambda shelf, sizes: imports.measure(shelf, sizes.documents),
}
"""In the order printed."""
