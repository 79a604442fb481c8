"""
The App of a member that has no ledger yet: what CometBFT asks while it syncs (`ledger.md` §5.7).

Before the snapshot is whole it is at height 0, then at the snapshot's. The first block that
CometBFT brings after it is not executed here: it is in CometBFT's store by then, which was all that
was missing, so the call is held until CometBFT is stopped.
"""

import re
import threading
from collections.abc import Callable, Collection, Sequence

from salus.base.errors import Fault
from salus.node.comet.abci_pb2 import (
    Request,
    RequestCheckTx,
    RequestQuery,
    Response,
    ResponseCheckTx,
    ResponseException,
    ResponseInfo,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseQuery,
)
from salus.node.comet.state_sync import Taker

NOT_YET = 31_998
"""CheckTx's code while there is no ledger; no module has the number 31."""

FILTER = re.compile(r"/p2p/filter/id/([0-9a-f]{40})")


class Joiner:
    """A `Handler` of the ABCI server."""

    def __init__(self, taker: Taker, nodes: Collection[str]) -> None:
        """`nodes`: who may connect, 40 hex each: no table of members is here yet."""
        self._taker = taker
        self._nodes = frozenset(nodes)
        self._released = threading.Event()
        self.arrived = threading.Event()
        """Set when CometBFT has stored the block after the snapshot's."""

        self._answers: dict[str, Callable[[Request], Response]] = {
            "info": lambda _: Response(info=self._info()),
            "query": lambda one: Response(query=self._query(one.query)),
            "list_snapshots": lambda _: Response(list_snapshots=ResponseListSnapshots()),
            "load_snapshot_chunk": lambda _: Response(
                load_snapshot_chunk=ResponseLoadSnapshotChunk()
            ),
            "offer_snapshot": lambda one: Response(offer_snapshot=taker.offer(one.offer_snapshot)),
            "apply_snapshot_chunk": lambda one: Response(
                apply_snapshot_chunk=taker.apply(one.apply_snapshot_chunk)
            ),
            "finalize_block": lambda _: self._hold(),
        }

    def answer(self, request: Request) -> Response:
        """Answer one request; raises Fault for one that does not belong to a sync."""
        kind = request.WhichOneof("value")
        if kind not in self._answers:
            raise Fault(
                f"CometBFT asked {kind} while it syncs: expected version 0.39.4, see its log"
            )
        return self._answers[kind](request)

    def check_txs(self, requests: Sequence[RequestCheckTx]) -> list[ResponseCheckTx]:
        """No: without a ledger nothing can be judged."""
        return [ResponseCheckTx(code=NOT_YET, log="NotYet") for _ in requests]

    def release(self) -> None:
        """Let the held call go: nobody waits for its answer any more."""
        self._released.set()

    def _info(self) -> ResponseInfo:
        meta = self._taker.restored
        if meta is None:
            return ResponseInfo(data="salus")
        return ResponseInfo(
            data="salus", last_block_height=meta.height, last_block_app_hash=meta.app_hash
        )

    def _query(self, asked: RequestQuery) -> ResponseQuery:
        """Who may connect."""
        if asked.path.startswith("/p2p/filter/addr/"):
            return ResponseQuery()
        found = FILTER.fullmatch(asked.path)
        if found is not None and found[1] in self._nodes:
            return ResponseQuery()
        return ResponseQuery(code=1, log="PathUnknown" if found is None else "NotAMember")

    def _hold(self) -> Response:
        if self._taker.restored is None:
            raise Fault("CometBFT brought a block before a snapshot: see its log")
        self.arrived.set()
        self._released.wait()
        return Response(exception=ResponseException(error="NodeStarts"))
