"""
The one loader of all arms: batches over each node's RPC socket, so many in flight in all.

A thread a node sends what its member's clients would; what a block holds is seen at the first node.
Requests are made before the clock starts, so that the loader costs every arm the same and little.
"""

import base64
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import msgspec

from bench.spent import Pids, cpu_s, loopback_bytes
from salus.node.comet.home import RPC_BATCH_MAX
from salus.node.comet.rpc import UnixConnection

LOOK_S = 0.02
"""Between looks at the newest block."""

DRAIN_S = 60.0
"""How long blocks may keep what was sent waiting without a new one."""

BLOCKS_A_LOOK = 20
"""CometBFT's own bound on one answer of `blockchain`."""

_HEADERS = {"Content-Type": "application/json"}


class LoadFailed(Exception):
    """A node refused what it was sent, or blocks never held it; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one load showed, between the first block after the warm-up and the last one timed."""

    per_second: float
    """Transactions in final blocks."""

    block_size: float
    """Transactions a block."""

    blocks: int
    cpu_us: Mapping[str, float]
    """Kind of process -> processor time a transaction of all its processes together, µs."""

    loopback_bytes: float
    """Bytes over the loopback a transaction: votes, blocks and gossip among the nodes."""

    sent: int
    """All that was sent and stands in blocks, before and after those timed too."""


class _Height(msgspec.Struct):
    height: int


class _Meta(msgspec.Struct):
    header: _Height
    num_txs: int


class _Metas(msgspec.Struct):
    block_metas: list[_Meta]


class _Answer(msgspec.Struct):
    result: _Metas | None = None


_ANSWER = msgspec.json.Decoder(_Answer, strict=False)
"""CometBFT writes numbers as texts."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """A block was seen: when, how many before it, and what had been spent by then."""

    time_s: float
    blocks: int
    transactions: int
    cpu_s: Mapping[str, float]
    loopback: int


class Blocks:
    """What stands in final blocks, seen at one node."""

    def __init__(self, socket: Path) -> None:
        """`socket`: of that node's RPC."""
        self._http = UnixConnection(socket)
        self.height = 0
        self.blocks = 0
        """Blocks that hold transactions."""

        self.transactions = 0

    def look(self) -> bool:
        """Whether there is a new block with transactions."""
        before = self.blocks
        for meta in self._metas():
            self.height = meta.header.height
            self.transactions += meta.num_txs
            self.blocks += bool(meta.num_txs)
        return self.blocks > before

    def has_begun(self) -> bool:
        """Whether there is a first block."""
        self.look()
        return self.height > 0

    def wait_for(self, transactions: int) -> None:
        """Wait for so many in blocks; raises LoadFailed after a minute without a new one."""
        moved_s = time.monotonic()
        while self.transactions < transactions:
            now_s = time.monotonic()
            if self.look():
                moved_s = now_s
            elif now_s > moved_s + DRAIN_S:
                raise LoadFailed(
                    f"expected {transactions} transactions in blocks, found {self.transactions}"
                )
            time.sleep(LOOK_S)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _metas(self) -> list[_Meta]:
        """The next blocks, by height; none while CometBFT has none, or starts."""
        least, most = max(1, self.height), self.height + BLOCKS_A_LOOK - 1
        try:
            self._http.request("GET", f"/blockchain?minHeight={least}&maxHeight={most}")
            told = _ANSWER.decode(self._http.getresponse().read())
        except (OSError, HTTPException):
            self._http.close()
            return []
        metas = [] if told.result is None else told.result.block_metas
        return sorted(
            (one for one in metas if one.header.height > self.height),
            key=lambda one: one.header.height,
        )


class _Flow:
    """How much is under way; senders wait until there is room, and for one another."""

    def __init__(self, senders: int, in_flight: int) -> None:
        self._in_flight = in_flight
        self._room = threading.Condition()
        self._committed = 0
        self._over = False
        self._sent = [0] * senders

    @property
    def sent(self) -> int:
        """By all senders."""
        return sum(self._sent)

    def enter(self, sender: int) -> bool:
        """Wait for room for a batch; False when nothing more shall be sent."""
        with self._room:
            self._room.wait_for(lambda: self._over or self._may_enter(sender))
            if not self._over:
                self._sent[sender] += RPC_BATCH_MAX
                self._room.notify_all()
            return not self._over

    def _may_enter(self, sender: int) -> bool:
        """Nobody is more than a batch ahead: no member's share of the pools is used up early."""
        has_room = self.sent + RPC_BATCH_MAX <= self._committed + self._in_flight
        return has_room and self._sent[sender] == min(self._sent)

    def commit(self, committed: int) -> None:
        """So many in all stand in blocks."""
        with self._room:
            self._committed = committed
            self._room.notify_all()

    def end(self) -> None:
        """Let nobody in any more."""
        with self._room:
            self._over = True
            self._room.notify_all()


def run_load(
    sockets: Sequence[Path],
    envelopes: Sequence[Sequence[bytes]],
    pids: Pids,
    *,
    in_flight: int,
    warm_up_s: float,
    seconds: float,
) -> Load:
    """
    Send each node its envelopes, and time what stands in blocks.

    The clock runs from the first block seen after `warm_up_s` to the first one seen `seconds`
    later, or to the last one if the envelopes end before. Raises LoadFailed.
    """
    requests = [list(_requests(some)) for some in envelopes]
    flow, failures = _Flow(len(sockets), in_flight), list[str]()
    senders = [
        threading.Thread(
            target=_send, args=(number, socket, requests[number], flow, failures), daemon=True
        )
        for number, socket in enumerate(sockets)
    ]
    with closing(Blocks(sockets[0])) as blocks:
        for sender in senders:
            sender.start()
        edges = _watch(blocks, flow, pids, senders, warm_up_s, seconds)
        flow.end()
        for sender in senders:
            sender.join()
        if failures:
            raise LoadFailed(failures[0])
        blocks.wait_for(flow.sent)
    return _load(edges[0], edges[-1], flow.sent)


def _watch(
    blocks: Blocks,
    flow: _Flow,
    pids: Pids,
    senders: Sequence[threading.Thread],
    warm_up_s: float,
    seconds: float,
) -> list[_Edge]:
    """Edges: the first after the warm-up, then each that followed; at least two."""
    edges: list[_Edge] = []
    begin_s = time.monotonic() + warm_up_s
    while len(edges) < 2 or time.monotonic() < edges[0].time_s + seconds:
        time.sleep(LOOK_S)
        now_s = time.monotonic()
        if not blocks.look():
            if now_s > begin_s + seconds + DRAIN_S:
                raise LoadFailed(f"expected blocks, found {len(edges)} after the warm-up")
            continue
        flow.commit(blocks.transactions)
        if now_s >= begin_s:
            edges.append(
                _Edge(now_s, blocks.blocks, blocks.transactions, cpu_s(pids), loopback_bytes())
            )
        if len(edges) > 1 and blocks.transactions == flow.sent and not _any_alive(senders):
            break
    return edges


def _any_alive(senders: Sequence[threading.Thread]) -> bool:
    return any(one.is_alive() for one in senders)


def _send(
    number: int, socket: Path, bodies: Sequence[bytes], flow: _Flow, failures: list[str]
) -> None:
    """One node's thread; ends at its first failure."""
    with closing(UnixConnection(socket)) as http:
        for body in bodies:
            if not flow.enter(number):
                return
            try:
                http.request("POST", "/", body, _HEADERS)
                answer = http.getresponse().read()
            except (OSError, HTTPException) as error:
                failures.append(f"a node does not answer: {type(error).__name__}")
                return
            if b'"error"' in answer:
                failures.append(f"a node refused a transaction: {answer[:300]!r}")
                return


def _requests(envelopes: Sequence[bytes]) -> Iterator[bytes]:
    """Bodies of whole batches; a rest that fills none is left out."""
    for first in range(0, len(envelopes) - RPC_BATCH_MAX + 1, RPC_BATCH_MAX):
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(data).decode()},
            }
            for number, data in enumerate(envelopes[first : first + RPC_BATCH_MAX])
        ]
        yield msgspec.json.encode(calls)


def _load(first: _Edge, last: _Edge, sent: int) -> Load:
    transactions, blocks = last.transactions - first.transactions, last.blocks - first.blocks
    return Load(
        per_second=transactions / (last.time_s - first.time_s),
        block_size=transactions / blocks,
        blocks=blocks,
        cpu_us={
            kind: (last.cpu_s[kind] - first.cpu_s[kind]) / transactions * 1e6
            for kind in first.cpu_s
        },
        loopback_bytes=(last.loopback - first.loopback) / transactions,
        sent=sent,
    )
