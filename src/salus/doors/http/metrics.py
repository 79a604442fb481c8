"""What Prometheus scrapes: where each member's ledger stands, and what its door answered."""

from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from salus.doors.http.health import unready
from salus.doors.http.member import MemberDoor
from salus.modules.members import queries as members
from salus.node.node import Node

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
        for name, (words, read) in GAUGES.items():
            gauge = GaugeMetricFamily(f"salus_{name}", words, labels=["member"])
            for one in self._members:
                gauge.add_metric([one.name], read(one.node))
            yield gauge
        yield self._waiting()
        yield self._evidence()
        yield self._empty_receipts()

    def _waiting(self) -> Metric:
        found = GaugeMetricFamily(
            "salus_mempool_transactions",
            "Transactions that wait for a block, where this member orders.",
            labels=["member"],
        )
        for one in self._members:
            if one.node.engine is not None:
                found.add_metric([one.name], len(one.node.engine.mempool))
        return found

    def _evidence(self) -> Metric:
        found = CounterMetricFamily(
            "salus_evidence",
            "Proofs that a member's node voted twice or lied, in blocks since this process began.",
            labels=["member"],
        )
        for one in self._members:
            found.add_metric([one.name], one.node.ledger.evidence_count)
        return found

    def _empty_receipts(self) -> Metric:
        found = GaugeMetricFamily(
            "salus_vault_empty_receipts",
            "Batches of which a holder (its id) signed a receipt and failed the newest probe.",
            labels=["member", "holder"],
        )
        for one in self._members:
            held = Counts(failed.member.hex() for failed in one.node.vault.unproven())
            for holder, count in sorted(held.items()):
                found.add_metric([one.name, holder], count)
        return found


GAUGES: dict[str, tuple[str, Callable[[Node], float]]] = {
    "height": ("Height of the newest block.", lambda node: node.ledger.tip.height),
    "log_size": ("Entries in the log.", lambda node: node.ledger.tip.log_size),
    "block_time_ms": (
        "Time of the newest block, ms since 1970 UTC.",
        lambda node: node.ledger.tip.time_ms,
    ),
    "ready": (
        "1 if the node serves, 0 if its copy or engine stopped or is behind.",
        lambda node: unready(node) is None,
    ),
    "storage_full": (
        "1 if the disk is nearly full: no transaction is taken.",
        lambda node: node.ledger.storage_full,
    ),
    "history_start_height": (
        "Blocks up to here are still to be fetched; 0 none.",
        lambda node: node.ledger.start.height,
    ),
    "validators": (
        "Members whose nodes may vote on blocks, as the newest block has it.",
        lambda node: len(members.validators(node.ledger.view())),
    ),
    "vault_containers": (
        "Batch containers that this member's vault holds.",
        lambda node: node.vault.held_count(),
    ),
}
"""Name after `salus_`, its words, and how it is read from a node when it is scraped."""
