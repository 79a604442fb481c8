"""Each transaction once: the same bytes while its end is unknown, new ones for a taken nonce."""

from dataclasses import dataclass

import pytest

from salus.base import codec
from salus.base.envelope import Envelope
from salus.base.errors import Category, Problem, Refusal
from salus.base.signing import SigningKey
from salus.client.submit import TRIES, Submitter, is_final, name_of
from salus.machine.refusals import NonceUsed, SignatureInvalid
from salus.machine.transaction import Body
from salus.modules.audit.messages import Note

NETWORK = bytes(32)
UNKNOWN = Problem(Category.UNKNOWN_OUTCOME, "UnknownOutcome", "send the same bytes again")
DOWN = Problem(Category.UNAVAILABLE, "PeerDown", "down")
FULL = Problem(Category.UNAVAILABLE, "StorageFull", "full", code="32004")
TAKEN_THERE = Problem(Category.CONFLICT, "NonceUsed", "used", code="14")
TAKEN_HERE = NonceUsed(nonce=0, floor=0)


@dataclass(frozen=True)
class Ended:
    """An end as a test needs it."""

    id: bytes = bytes(32)
    height: int = 1


class Orderer:
    """Answers sendings in turn, and keeps what was sent."""

    def __init__(self, *answers: Problem | Refusal | Ended) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def __call__(self, envelope: bytes) -> Ended:
        self.sent.append(envelope)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
