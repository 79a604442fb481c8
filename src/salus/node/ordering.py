"""
How a member's transaction reaches the one who orders, and how its end comes back.

The ordering member hands it to its engine; every other member calls the ordering member's door and
then waits until its own copy holds the block: an answer means "done here too".
"""

from typing import Protocol, TypeVar

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.types import Count, Hash32, Height
from salus.machine.block import Receipt
from salus.node.decided import Decided
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Ledger, Tip
from salus.node.mempool import Done
from salus.node.peers import Handler, Peer

SUBMIT = "transactions/submit"
RENEW = "transactions/renew"
"""Routes of the ordering member's door."""

CATCH_UP_S = 10.0
"""How long an own copy may take to reach a block that the ordering member has."""


T = TypeVar("T")


class DoneAnswer(Struct, frozen=True):
    """A transaction's end, as it travels."""

    height: Height
    id: Hash32
    position: Count
    receipt: Receipt


class HeightAnswer(Struct, frozen=True):
    """A height of the ordering member."""

    height: Height


class Ordering(Protocol):
    """The way to an engine."""

    def submit(self, envelope: bytes) -> Done:
        """Wait for the block; raises the Refusal of admission, or Problem."""
        ...

    def fresh_tip(self) -> Tip:
        """The own tip, renewed if the ledger idles for over 30 s."""
        ...


class OwnOrdering:
    """The ordering member's: its own engine."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        """Of the same node."""
        self._engine = engine

    def submit(self, envelope: bytes) -> Done:
        """Hand in and wait."""
        return self._engine.submit_and_wait(envelope)

    def fresh_tip(self) -> Tip:
        """Renew if need be."""
        return self._engine.fresh_tip()

    def routes(self) -> dict[str, Handler]:
        """What the other members call."""
        return {SUBMIT: self._answer_submit, RENEW: self._answer_renew}

    def _answer_submit(self, _sender: bytes, body: bytes) -> bytes:
        done = self.submit(body)
        return codec.encode(
            DoneAnswer(height=done.height, id=done.id, position=done.position, receipt=done.receipt)
        )

    def _answer_renew(self, _sender: bytes, _body: bytes) -> bytes:
        return codec.encode(HeightAnswer(height=self.fresh_tip().height))


class PeerOrdering:
    """Every other member's: the ordering member's door, and the own copy."""

    def __init__(self, ledger: Ledger, orderer: Peer) -> None:
        """`ledger`: the own copy, fed by a Replica."""
        self._ledger = ledger
        self._decided = Decided(ledger)
        self._orderer = orderer

    def submit(self, envelope: bytes) -> Done:
        """Send, wait for the own copy, and answer from it: the orderer's word is not enough."""
        transaction_id = self._ledger.machine.form.read(envelope).id
        answer = self._ask(SUBMIT, envelope, DoneAnswer)
        self._wait(answer.height)
        done = self._decided.find(transaction_id)
        if done is None:
            raise Problem(
                Category.UNKNOWN_OUTCOME,
                "UnknownOutcome",
                f"the ordering member names block {answer.height}, which does not hold it; send "
                "the same bytes again, and tell the other members if it happens twice",
            )
        return done

    def fresh_tip(self) -> Tip:
        """Ask the ordering member to renew, then wait for the own copy."""
        return self._wait(self._ask(RENEW, b"", HeightAnswer).height)

    def _ask(self, route: str, body: bytes, kind: type[T]) -> T:
        try:
            return codec.decode(self._orderer.call(route, body), kind)
        except codec.Malformed as error:
            raise Problem(Category.UNAVAILABLE, "AnswerMalformed", str(error)) from None

    def _wait(self, height: int) -> Tip:
        tip = self._ledger.wait_above(height - 1, CATCH_UP_S)
        if tip.height < height:
            raise Problem(
                Category.UNAVAILABLE,
                "Behind",
                f"this node is at height {tip.height}, the block is {height}; ask again shortly",
            )
        return tip
