"""Drive an embedded engine in this process, as a door does, and time what comes back."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import summarize
from bench.runs import peak_mb
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Ledger
from salus.node.mempool import Done

WAIT_S = 60.0
WARM_UP_SHARE = 5
"""One in so many envelopes is handed in before the clock starts."""

TIMED_SHARE = 8
"""One in so many is timed, so that timing costs the engine's process little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What one drive showed."""

    per_second: float
    """Transactions a second, durable."""

    cpu_ms_per_1000: float
    """CPU of this process for 1,000 transactions, all threads, loader included."""

    blocks: int
    transactions: int
    p50_ms: float
    p99_ms: float
    """From handing in to the durable answer."""

    journal_bytes: float
    """What the journal grew by for a transaction; rows, receipts and index come beside it."""

    memory_mb: float
    """The most this process held, ever."""

    @property
    def block_size(self) -> float:
        """Transactions a block."""
        return self.transactions / self.blocks


def drive(ledger: Ledger, folder: Path, envelopes: Sequence[bytes], in_flight: int) -> Driven:
    """
    Hand in all envelopes with `in_flight` waiting at any time, and time the last four fifths.

    While one block is made, the next gathers; so its size is about half of `in_flight`. The first
    fifth fills what every start finds empty: caches, layers, the journal's spare.
    """
    engine = EmbeddedEngine(ledger, quarantine=folder / "quarantine")
    try:
        warm_up = len(envelopes) // WARM_UP_SHARE
        _hand_in_all(engine, envelopes[:warm_up], in_flight)
        return _drive(engine, envelopes[warm_up:], in_flight)
    finally:
        engine.close()


def _drive(engine: EmbeddedEngine, envelopes: Sequence[bytes], in_flight: int) -> Driven:
    height, written = engine.ledger.tip.height, journal_bytes(engine.ledger)
    start_ns, start_cpu_ns = time.monotonic_ns(), time.process_time_ns()
    latencies_ns = _hand_in_all(engine, envelopes, in_flight)
    seconds = (time.monotonic_ns() - start_ns) / 1e9
    cpu_ms = (time.process_time_ns() - start_cpu_ns) / 1e6
    summed = summarize(latencies_ns, batch=1, seconds=seconds)
    return Driven(
        per_second=len(envelopes) / seconds,
        cpu_ms_per_1000=cpu_ms / len(envelopes) * 1000,
        blocks=engine.ledger.tip.height - height,
        transactions=len(envelopes),
        p50_ms=summed.p50_ms,
        p99_ms=summed.p99_ms,
        journal_bytes=(journal_bytes(engine.ledger) - written) / len(envelopes),
        memory_mb=peak_mb(),
    )


def _hand_in_all(
    engine: EmbeddedEngine, envelopes: Sequence[bytes], in_flight: int
) -> Sequence[int]:
    """Hand in and wait for all; the time of each one that was timed, ns."""
    latencies_ns: list[int] = []
    waiting: deque[Future[Done]] = deque()
    for number, envelope in enumerate(envelopes):
        if len(waiting) >= in_flight:
            waiting.popleft().result(WAIT_S)
        if number % TIMED_SHARE:
            waiting.append(engine.submit(envelope).done)
        else:
            waiting.append(_hand_in_timed(engine, envelope, latencies_ns))
    for done in waiting:
        assert done.result(WAIT_S).receipt.code == 0
    return latencies_ns


def _hand_in_timed(
    engine: EmbeddedEngine, envelope: bytes, latencies_ns: list[int]
) -> "Future[Done]":
    began_ns = time.monotonic_ns()
    done = engine.submit(envelope).done
    done.add_done_callback(lambda _: latencies_ns.append(time.monotonic_ns() - began_ns))
    return done


def journal_bytes(ledger: Ledger) -> int:
    """Bytes written to the journal so far; its files are laid out in advance."""
    journal = ledger._journal
    newest = journal._newest
    full = max(len(journal._first_heights) - 1, 0)
    return full * journal._segment_bytes + (0 if newest is None else newest.end)
