"""What Prometheus scrapes: where each member's ledger stands, and what its door answered."""

from collections.abc import Iterator, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from salus.doors.http.health import unready
from salus.doors.http.member import MemberDoor

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Around the bar of 30 ms a block (README §7)."""


class Meter:
    """One member's counters."""

    def __init__(self, member: str, seconds: Histogram, transactions: Counter) -> None:
        """`member`: the label."""
        self._seconds = seconds.labels(member)
        self._by_code = cache(lambda code: transactions.labels(member, code))

    def ended(self, code: int, seconds: float) -> None:
        """Count a transaction that a block decided."""
        self._seconds.observe(seconds)
        self._by_code(code).inc()


class Meters:
    """All counters of one door, in a registry of their own."""

    def __init__(self, members: Sequence[MemberDoor]) -> None:
        """Gauges are read from the nodes when scraped."""
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "salus_transaction_seconds",
            "From an envelope's arrival at this door to its synced block.",
            ["member"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._transactions = Counter(
            "salus_transactions",
            "Transactions handed in at this door that a block decided, by receipt code (0 done).",
            ["member", "code"],
            registry=self._registry,
        )
        self._registry.register(_Nodes(members))

    def of(self, member: str) -> Meter:
        """The member's counters."""
        return Meter(member, self._seconds, self._transactions)

    def text(self) -> bytes:
        """The exposition text (Prometheus text format)."""
        return generate_latest(self._registry)


class _Nodes(Collector):
    """Reads the nodes at each scrape."""

    def __init__(self, members: Sequence[MemberDoor]) -> None:
        self._members = members

    def collect(self) -> Iterator[Metric]:
        height = _gauge("height", "Height of the newest block.")
        log_size = _gauge("log_size", "Entries in the log.")
        time_ms = _gauge("block_time_ms", "Time of the newest block, ms since 1970 UTC.")
        waiting = _gauge("mempool_transactions", "Transactions that wait for a block.")
        ready = _gauge("ready", "1 if the node follows the ledger, 0 if it stopped.")
        full = _gauge("storage_full", "1 if the disk is nearly full: no transaction is taken.")
        start = _gauge("history_start_height", "Blocks up to here are still to be fetched; 0 none.")
        for one in self._members:
            tip = one.node.ledger.tip
            height.add_metric([one.name], tip.height)
            log_size.add_metric([one.name], tip.log_size)
            time_ms.add_metric([one.name], tip.time_ms)
            if one.node.engine is not None:
                waiting.add_metric([one.name], len(one.node.engine.mempool))
            ready.add_metric([one.name], unready(one.node) is None)
            full.add_metric([one.name], one.node.ledger.storage_full)
            start.add_metric([one.name], one.node.ledger.start.height)
        yield from (height, log_size, time_ms, waiting, ready, full, start)


def _gauge(name: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"salus_{name}", words, labels=["member"])
