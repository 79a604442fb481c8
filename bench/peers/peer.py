"""What a peer is, and what one measurement of it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KEY_BYTES = 16
"""Length of a row's key: random, so that inserts land anywhere in an index."""

PAYLOAD_BYTES = 300
"""Length of a row's payload unless told otherwise: that of a typical signed transaction."""


class PeerMissing(Exception):
    """A peer's program cannot be had on this machine; the message says why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one peer."""

    operations: int
    """Rows that were acknowledged as durable."""

    seconds: float
    """From the first write's start to the last write's end, over all clients."""

    p50_ms: float
    """Median time of one durable transaction, which holds `batch` rows."""

    p99_ms: float
    """Time within which 99 of 100 transactions ended."""

    syncs: int | None = None
    """Syncs of the peer's log, where the peer counts them."""

    @property
    def per_second(self) -> float:
        """Rows a second."""
        return self.operations / self.seconds


class Peer(Protocol):
    """A database that acknowledges a write only after it is on disk."""

    name: str
    """As printed, with any setting that is not the default."""

    def start(self, folder: Path) -> None:
        """
        Start on an existing, empty folder.

        Raises `PeerMissing` if its program cannot be had.
        """

    def run(
        self,
        *,
        clients: int,
        seconds: float,
        payload_bytes: int = PAYLOAD_BYTES,
        batch: int = 1,
    ) -> Result:
        """
        Write random rows from `clients` connections at once for `seconds`.

        A transaction holds `batch` rows; each client waits for its answer before the next. Rows of
        earlier runs stay.
        """

    def stop(self) -> None:
        """End everything that `start` began; harmless when nothing runs."""


def summarize(
    latencies_ns: Sequence[int], *, batch: int, seconds: float, syncs: int | None = None
) -> Result:
    """
    Sum up transactions of `batch` rows each, at least one, in any order; O(n log n).

    Percentiles are by nearest rank: always a latency that was seen.
    """
    ordered = sorted(latencies_ns)
    return Result(
        operations=len(ordered) * batch,
        seconds=seconds,
        p50_ms=_percentile(ordered, 50) / 1e6,
        p99_ms=_percentile(ordered, 99) / 1e6,
        syncs=syncs,
    )


def _percentile(ordered: Sequence[int], percent: int) -> int:
    rank = -(-len(ordered) * percent // 100)
    return ordered[rank - 1]
