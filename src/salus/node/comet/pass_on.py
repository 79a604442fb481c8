"""
Transactions that no block takes for a while are handed to the other members' nodes too.

CometBFT tells a transaction to each connected node once, and a node that is catching up lets it
fall (`mempool/reactor.go`). If all were catching up, as after a common start, only the own node has
it and proposes it, in a network that makes no block without need every fourth heartbeat: a minute.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Problem, Refusal
from salus.base.limits import TRANSACTION_BYTES_MAX
from salus.node.comet.waiting import Waiting
from salus.node.mempool import Ticket
from salus.node.peers import Handler, Peer
from salus.node.regularly import Regularly

log = structlog.get_logger()

ROUTE = "transactions/pass-on"
"""Of every network member's peer door."""

LOOK_S = 1.0
"""Between looks at what waits."""

OVERDUE_S = 3.0
"""A block comes within a second or two; under load a transaction waits longer, and is passed on for
nothing: the others know it."""

BATCH_MAX = 100
BATCH_BYTES_MAX = 4 * TRANSACTION_BYTES_MAX
"""Transactions and bytes that one look passes on at most, oldest first."""


class PassedOn(Struct, frozen=True):
    """Envelopes that wait at the caller's node; no answer but that they came."""

    envelopes: Annotated[list[bytes], msgspec.Meta(max_length=BATCH_MAX)]


class PassOn:
    """Looks from its constructor until `close`."""

    def __init__(self, waiting: Waiting, peers: Callable[[], Sequence[Peer]]) -> None:
        """`peers`: the other members now."""
        self._waiting = waiting
        self._peers = peers
        self._passed: set[bytes] = set()
        self._looking = Regularly("comet-pass-on", LOOK_S, self._look)
        self._looking.start()

    def close(self) -> None:
        """Pass on no more."""
        self._looking.close()

    def _look(self) -> None:
        overdue = self._waiting.overdue(OVERDUE_S)
        self._passed &= {one.transaction.id for one in overdue}
        new = [one for one in overdue if one.transaction.id not in self._passed]
        if batch := fitting(new):
            self._hand_out(batch)

    def _hand_out(self, batch: Sequence[Ticket]) -> None:
        body = codec.encode(PassedOn(envelopes=[one.data for one in batch]))
        took = [peer for peer in self._peers() if _takes(peer, body)]
        log.info("comet.passed_on", count=len(batch), members=len(took))
        if took:
            self._passed |= {one.transaction.id for one in batch}


def routes(take_in: Callable[[bytes], None]) -> dict[str, Handler]:
    """What the other members call; `take_in`: `CometEngine.take_in`."""

    def take(_sender: bytes, body: bytes) -> bytes:
        for envelope in codec.decode(body, PassedOn).envelopes:
            take_in(envelope)
        return b""

    return {ROUTE: take}


def fitting(tickets: Sequence[Ticket]) -> list[Ticket]:
    """The first of them, as many as one call carries."""
    batch: list[Ticket] = []
    size_bytes = 0
    for ticket in tickets[:BATCH_MAX]:
        size_bytes += len(ticket.data)
        if size_bytes > BATCH_BYTES_MAX:
            break
        batch.append(ticket)
    return batch


def _takes(peer: Peer, body: bytes) -> bool:
    try:
        peer.call(ROUTE, body)
    except (Problem, Refusal):
        return False
    return True
