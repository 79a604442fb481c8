"""
A member's copy of an embedded ledger: takes blocks from the ordering member, believes none of them.

Each block is executed here, its signatures checked here, and its app hash compared; a difference
stops this node with the height and what to do.
"""

import threading
from collections.abc import Sequence

import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Fault, Problem
from salus.base.limits import ARCHIVE_BYTES_MAX
from salus.base.types import U16, Height
from salus.node.ledger import Ledger
from salus.node.peers import Peer
from salus.node.record import BlockRecord, read_record
from salus.node.verify_pool import VerifyPool

log = structlog.get_logger()

ROUTE = "archive/blocks"
WAIT_MS = 2_000
"""How long the ordering member holds a question while there is nothing new."""

RETRY_S = 0.5
"""Pause after the ordering member did not answer."""


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

    def __init__(self, ledger: Ledger, source: Peer, pool: VerifyPool) -> None:
        """`source`: the ordering member; `pool`: checks the signatures of its blocks."""
        self._ledger = ledger
        self._source = source
        self._pool = pool
        self._stopping = threading.Event()
        self.failure: Fault | None = None
        self._thread = threading.Thread(target=self._follow, name="replica", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the block in work."""
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._apply(self._ask())
            except Problem as problem:
                log.debug("replica.waits", reason=problem.name)
                self._stopping.wait(RETRY_S)
            except Fault as fault:
                self.failure = fault
                log.error("replica.stopped", reason=str(fault))  # noqa: TRY400 (the sentence is the message)
                return

    def _ask(self) -> Sequence[bytes]:
        asked = BlocksAsked(above=self._ledger.tip.height, wait_ms=WAIT_MS)
        data = self._source.call(ROUTE, codec.encode(asked))
        return codec.decode(data, Blocks).records

    def _apply(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            record = read_record(payload)
            executed = self._ledger.execute(record.block, signatures=self._pool.check(record.txs))
            self._compare(record, executed.sealed.app_hash)
            self._ledger.commit(executed)

    def _compare(self, record: BlockRecord, app_hash: bytes) -> None:
        if record.height != self._ledger.tip.height + 1:
            raise Fault(
                f"the ordering member sent block {record.height} after {self._ledger.tip.height}"
            )
        if app_hash != record.app:
            raise Fault(
                f"block {record.height}: this node's app hash is {app_hash.hex()}, the ordering "
                f"member's {record.app.hex()}. One of the two is wrong: keep both folders, run "
                "`salus audit` on each, and tell the other members."
            )
