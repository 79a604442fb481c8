"""Each transaction once: the same bytes while its end is unknown, new ones for a taken nonce."""

from dataclasses import dataclass

import pytest

from salus.base.errors import Category, Problem, Refusal
from salus.base.signing import SigningKey
from salus.chain import machine
from salus.client.submit import TRIES, Submitter, is_final, name_of
from salus.machine.refusals import NonceUsed, SignatureInvalid
from salus.modules.governance.messages import Withdraw

NETWORK = bytes(32)
MESSAGES = [Withdraw(proposal=bytes(16))]
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


def _submitter(next_nonce: int = 0) -> Submitter:
    key = SigningKey(bytes(32))
    return Submitter(NETWORK, key, next_nonce=lambda: next_nonce, now_ms=lambda: 1_000)


def _nonces(orderer: Orderer) -> list[int]:
    form = machine().form
    return [form.read(envelope).nonce for envelope in orderer.sent]


def test_what_ends_unknown_is_sent_again_with_the_same_bytes() -> None:
    """So it is one transaction, however often it arrives."""
    orderer = Orderer(UNKNOWN, DOWN, Ended())

    assert Ended() == _submitter().submit(MESSAGES, orderer)
    assert 1 == len(set(orderer.sent))


def test_what_stays_unknown_is_told_as_unknown() -> None:
    """After a few tries; the caller keeps the bytes."""
    orderer = Orderer(*[UNKNOWN] * TRIES)
    with pytest.raises(Problem, match="UnknownOutcome"):
        _submitter().submit(MESSAGES, orderer)

    assert TRIES == len(orderer.sent)


def test_a_final_no_is_not_sent_again() -> None:
    """A refusal, here or through a peer's door, ends it."""
    for no in (SignatureInvalid(), FULL):
        orderer = Orderer(no)
        with pytest.raises(type(no)):
            _submitter().submit(MESSAGES, orderer)

        assert 1 == len(orderer.sent)


def test_a_nonce_that_waits_elsewhere_is_replaced() -> None:
    """An earlier process's transaction still holds it: signed anew with the next."""
    orderer = Orderer(TAKEN_HERE, TAKEN_THERE, Ended())

    assert Ended() == _submitter(7).submit(MESSAGES, orderer)
    assert [7, 8, 9] == _nonces(orderer)


def test_each_envelope_has_a_nonce_of_its_own() -> None:
    """Also while the ledger does not know of the ones before."""
    submitter = _submitter(3)
    orderer = Orderer(*[Ended()] * 3)
    for _ in range(3):
        submitter.submit(MESSAGES, orderer)

    assert [3, 4, 5] == _nonces(orderer)


FINAL = {
    "a refusal": (TAKEN_HERE, True),
    "a refusal through a peer's door": (TAKEN_THERE, True),
    "a numbered no of a busy engine": (FULL, True),
    "nobody answers": (DOWN, False),
    "no block in time": (UNKNOWN, False),
}


@pytest.mark.parametrize(("no", "final"), FINAL.values(), ids=FINAL.keys())
def test_only_a_numbered_no_says_that_it_is_in_no_block(
    no: Problem | Refusal, *, final: bool
) -> None:
    """All others leave it open."""
    assert final == is_final(no)


def test_a_no_has_one_name_here_and_through_a_door() -> None:
    """So that callers need not care where it was said."""
    assert "NonceUsed" == name_of(TAKEN_HERE) == name_of(TAKEN_THERE)
