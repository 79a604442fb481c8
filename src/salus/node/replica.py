"""
A member's copy of an embedded ledger: takes blocks from the ordering member, believes none of them.

It ends with the block that moves the ledger into a network: all later ones are CometBFT's to bring.

Each block is executed here, its signatures checked here, and the record made of it compared byte
for byte; a difference stops this node with the height and what to do.
"""

import threading
from collections.abc import Sequence

import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Fault, Problem
from salus.base.limits import ARCHIVE_BYTES_MAX, BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX
from salus.base.types import U16, Height
from salus.node.ledger import Executed, Ledger
from salus.node.mode import is_network
from salus.node.peers import Peer
from salus.node.ports import Clock, RealClock
from salus.node.record import BlockRecord, read_record, record_of
from salus.node.tracing import traces
from salus.node.verify_pool import VerifyPool

log = structlog.get_logger()

ROUTE = "archive/blocks"
WAIT_MS = 2_000
"""How long the ordering member holds a question while there is nothing new."""

AHEAD_MS_MAX = 60_000
"""A block further ahead of this node's clock would end grants before their time."""

RETRY_S = 0.5
"""Pause after the ordering member did not answer."""

OLD_MS = 60_000
"""A block that comes so long after its time means that this copy is behind."""

PASSING = frozenset({Category.UNAVAILABLE, Category.BUSY, Category.UNKNOWN_OUTCOME})
"""Kinds of "no" after which asking again is all there is to do."""


class BlocksAsked(Struct, frozen=True):
    """Blocks above a height, waiting up to `wait_ms` for the first."""

    above: Height
    wait_ms: U16


class Blocks(Struct, frozen=True):
    """Journal payloads in order of height; none if nothing came in time."""

    records: list[bytes]


def blocks_after(ledger: Ledger, asked: BlocksAsked) -> Blocks:
    """The answer of the member that has the blocks."""
    tip = ledger.wait_above(asked.above, asked.wait_ms / 1000)
    records: list[bytes] = []
    size = 0
    for height in range(asked.above + 1, tip.height + 1):
        payload = ledger.record_bytes(height)
        size += len(payload)
        if records and size > ARCHIVE_BYTES_MAX:
            break
        records.append(payload)
    return Blocks(records=records)


class Replica:
    """Follows the ordering member until stopped."""

    def __init__(
        self,
        ledger: Ledger,
        source: Peer,
        pool: VerifyPool,
        clock: Clock | None = None,
        *,
        past_move: bool = False,
    ) -> None:
        """
        Follow until closed.

        `source`: the ordering member; `pool`: checks the signatures of its blocks; `past_move`:
        whether blocks that a network's members ordered are taken too.
        """
        self._past_move = past_move
        self._clock = clock or RealClock()
        self._ledger = ledger
        self._source = source
        self._pool = pool
        self._stopping = threading.Event()
        self.failure: Fault | None = None
        self._behind_at = 0
        """Height at which a block came that was old by then: more are on their way; 0 if none."""

        self._told = ""
        self._thread = threading.Thread(target=self._follow, name="replica", daemon=True)
        self._thread.start()

    def unready(self) -> str | None:
        """Why this copy should not be read: it stopped, or old blocks still come; else None."""
        if self.failure is not None:
            return f"its copy of the ledger stopped: {self.failure}"
        if self._behind_at:
            return f"its copy is behind, at block {self._behind_at}, and catches up by itself"
        return None

    def close(self) -> None:
        """Stop after the block in work."""
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._apply(self._ask())
                if self._ends_here():
                    log.info("replica.moved", height=self._ledger.tip.height)
                    return
            except Problem as problem:
                self._tell(problem)
                self._stopping.wait(RETRY_S)
            except Fault as fault:
                self._stop(fault)
                return
            except Exception as error:  # noqa: BLE001 (a silent end would look like idleness)
                self._stop(Fault(f"a bug in Salus stopped the copy: {type(error).__name__}"))
                return

    def _tell(self, problem: Problem) -> None:
        """Log a reason once, loud if it does not pass by itself: a person has to look."""
        if problem.name != self._told:
            self._told = problem.name
            passes = problem.category in PASSING
            (log.info if passes else log.warning)("replica.waits", reason=str(problem))

    def _stop(self, fault: Fault) -> None:
        self.failure = fault
        log.error("replica.stopped", reason=str(fault))

    def _ask(self) -> Sequence[bytes]:
        asked = BlocksAsked(above=self._ledger.tip.height, wait_ms=WAIT_MS)
        data = self._source.call(ROUTE, codec.encode(asked))
        try:
            records = codec.decode(data, Blocks).records
        except codec.Malformed:
            raise Fault("the ordering member's answer is no list of blocks") from None
        self._told = ""
        if not records:
            self._behind_at = 0
        return records

    def _apply(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            record = self._read(payload)
            with traces.span("block", height=record.height):
                signatures = self._pool.check(record.txs)
                executed = self._ledger.execute(record.block, signatures=signatures)
                self._compare(payload, record, executed)
                self._ledger.commit(executed)
            is_old = self._clock.now_ms() - record.time_ms > OLD_MS
            self._behind_at = record.height if is_old else 0
            if executed.outcome.events and self._ends_here():
                return

    def _ends_here(self) -> bool:
        return not self._past_move and is_network(self._ledger.view())

    def _read(self, payload: bytes) -> BlockRecord:
        """A block's record, if it can be the next one; raises Fault."""
        tip = self._ledger.tip
        height = tip.height + 1
        try:
            record = read_record(payload)
        except codec.Malformed:
            raise _lie(height, "bytes that are no block record") from None
        if record.height != height:
            raise _lie(height, f"block {record.height} in its place")
        if record.evidence and not self._past_move:
            raise _lie(height, "evidence, which only a network's engine has")
        if len(record.txs) > BLOCK_TRANSACTIONS_MAX or sum(map(len, record.txs)) > BLOCK_BYTES_MAX:
            raise _lie(height, "more transactions than a block may hold")
        latest_ms = self._clock.now_ms() + AHEAD_MS_MAX
        if not tip.time_ms <= record.time_ms <= latest_ms:
            raise _lie(
                height,
                f"time {record.time_ms}, expected {tip.time_ms} to {latest_ms} (check clocks)",
            )
        return record

    def _compare(self, payload: bytes, record: BlockRecord, executed: Executed) -> None:
        """The own record of the block must equal the ordering member's, byte for byte."""
        if executed.sealed.app_hash != record.app:
            raise _lie(
                record.height,
                f"app hash {record.app.hex()}, this node finds {executed.sealed.app_hash.hex()}",
            )
        own = record_of(executed.block, executed.outcome, executed.sealed)
        if codec.encode(own) != payload:
            raise _lie(record.height, "another record of the same block")


def _lie(height: int, found: str) -> Fault:
    return Fault(
        f"block {height}: the ordering member sent {found}. One of the two is wrong: keep both "
        "folders, run `salus audit` on each, and tell the other members."
    )
