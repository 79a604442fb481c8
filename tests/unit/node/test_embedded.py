"""The embedded engine: an answer means durable, once; nothing a caller does stops the writer."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salus.base import codec, merkle
from salus.base.envelope import Envelope
from salus.machine.refusals import (
    BodyMalformed,
    EnvelopeMalformed,
    KeyUnknown,
    LifetimeTooLong,
    NonceUsed,
    SignatureInvalid,
    TransactionExpired,
)
from salus.modules.audit.messages import RecordLine
from salus.node.decided import Decided
from salus.node.embedded import EmbeddedEngine
from salus.node.verify_pool import VerifyPool
from tests.support.engines import held, refused
from tests.support.ledgers import VIEW, Chain, FakeClock, add_block, term
from tests.support.machine import GENESIS_MS, LIFETIME_MS

HOUR_MS = 3_600_000
LINE = RecordLine(activity=1, node=1, ref=1, resource=1, time_ms=0, user=1)


@pytest.fixture
def chain() -> Chain:
    """Two members."""
    return Chain(members=2)


@pytest.fixture
def clock() -> FakeClock:
    """At the genesis."""
    return FakeClock()


@pytest.fixture
def engine(chain: Chain, clock: FakeClock, tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """Over an empty ledger."""
    with chain.engine(tmp_path, clock) as engine:
        yield engine


# An answer means durable, once.


def test_an_answer_names_the_block_that_holds_it(engine: EmbeddedEngine, chain: Chain) -> None:
    """Done, with receipt and place; the block's time is the clock's."""
    data = chain.sign(0, VIEW, nonce=0)

    done = engine.submit_and_wait(data)

    assert (1, 0, 0) == (done.height, done.position, done.receipt.code)
    assert [data] == engine.ledger.record(1).txs
    assert GENESIS_MS == engine.ledger.tip.time_ms
    assert (1, 0) == engine.ledger.find(done.id)


def test_an_answer_names_the_entry_in_the_log(engine: EmbeddedEngine, chain: Chain) -> None:
    """Whoever asks later, by the same bytes or by the id, is told the same place."""
    envelopes = [chain.sign(0, term(nonce), nonce=nonce) for nonce in range(3)]
    ends = [engine.submit_and_wait(data) for data in envelopes]
    log = engine.ledger

    for done in ends:
        entry = log.entries(done.height)[done.position]
        path = log.path(done.index, log.tip.log_size)
        leaf = merkle.leaf_hash(entry)
        found = merkle.root_from_path(leaf, done.index, log.tip.log_size, path)

        assert log.tip.log_root == found
    assert ends == [Decided(log).find(done.id) for done in ends]
    assert ends == [engine.submit_and_wait(data) for data in envelopes]


KILLED = """
import os, sys
from pathlib import Path
from tests.support.ledgers import Chain, term
chain = Chain(members=2)
with chain.engine(Path(sys.argv[1])) as engine:
    for nonce in range(3):
        engine.submit_and_wait(chain.sign(0, term(nonce), nonce=nonce))
    os._exit(9)
"""


def test_what_was_answered_survives_a_kill_once(chain: Chain, tmp_path: Path) -> None:
    """`os._exit` right after the answer; the resent bytes get the receipt they had."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True
    )
    assert 9 == killed.returncode, killed.stderr

    with chain.engine(tmp_path) as engine:
        done = [engine.submit_and_wait(chain.sign(0, term(n), nonce=n)) for n in range(3)]
        assert [(1, 0), (2, 0), (3, 0)] == [(one.height, one.receipt.code) for one in done]
        assert 3 == engine.ledger.tip.height


def test_the_same_bytes_get_the_same_answer(
    engine: EmbeddedEngine, chain: Chain, clock: FakeClock
) -> None:
    """Resent after its block, after its lifetime, and also if a message of it was refused."""
    good, bad = chain.sign(0, VIEW, nonce=0), chain.sign(1, VIEW, nonce=0)
    first = [engine.submit_and_wait(good), engine.submit_and_wait(bad)]
    assert [0, 9002] == [one.receipt.code for one in first]

    again = [engine.submit_and_wait(good), engine.submit_and_wait(bad)]
    clock.pass_ms(2 * LIFETIME_MS)
    late = [engine.submit_and_wait(good), engine.submit_and_wait(bad)]

    assert first == again == late
    assert 2 == engine.ledger.tip.height


def test_a_second_signature_gets_the_same_answer_too(engine: EmbeddedEngine, chain: Chain) -> None:
    """The id leaves the signature out; one that does not hold is refused all the same."""
    data = chain.sign(0, VIEW, nonce=0)
    engine.submit_and_wait(data)
    envelope = codec.decode(data, Envelope)
    forged = Envelope(body=envelope.body, key=envelope.key, sig=b"\x01" + bytes(64))

    assert 8 == refused(engine, codec.encode(forged))


def test_copies_of_one_that_waits_end_with_it(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tickets, one transaction, one answer."""
    with held(engine, monkeypatch):
        tickets = [engine.submit(chain.sign(0, VIEW, nonce=0)) for _ in range(3)]

    ends = [ticket.done.result(10) for ticket in tickets]

    assert ends[0] == ends[1] == ends[2]
    assert 1 == len(engine.ledger.record(ends[0].height).txs)


def test_many_callers_are_served_at_once(chain: Chain, tmp_path: Path) -> None:
    """Eight threads, two members: each transaction stands in the log exactly once."""
    envelopes = [chain.sign(who, term(n, f"m{who}"), nonce=n) for who in (0, 1) for n in range(90)]
    with chain.engine(tmp_path) as engine, ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(engine.submit_and_wait, envelopes))
        tip = engine.ledger.tip
        held_txs = [
            tx for height in range(1, tip.height + 1) for tx in engine.ledger.record(height).txs
        ]

    assert sorted(envelopes) == sorted(held_txs)
    assert 180 == len({one.id for one in ends})
    assert {0: 90, 9002: 90} == {
        code: sum(one.receipt.code == code for one in ends) for code in (0, 9002)
    }
    again = chain.open(tmp_path / "ledger")
    assert tip == again.tip
    again.close()


def test_a_senders_order_is_kept(chain: Chain, tmp_path: Path) -> None:
    """Sent without waiting, checked by two workers and in this thread: executed as it was sent."""
    envelopes = [chain.sign(0, term(n), nonce=n) for n in range(600)]
    ledger = chain.open(tmp_path / "ledger")
    pool = VerifyPool(chain.network, workers=2)
    engine = EmbeddedEngine(ledger, quarantine=tmp_path / "q", clock=FakeClock(), pool=pool)
    flying = []
    for number, data in enumerate(envelopes):
        flying.append(engine.submit(data).done)
        if number >= 190:
            flying[number - 190].result(10)
    for done in flying:
        assert 0 == done.result(10).receipt.code
    engine.close()

    assert envelopes == [
        tx for height in range(1, ledger.tip.height + 1) for tx in ledger.record(height).txs
    ]
    ledger.close()


def test_a_copy_that_was_refused_in_a_block_has_no_answer(chain: Chain, tmp_path: Path) -> None:
    """Codes 1-14 decide nothing: the same bytes are judged again, and may be done later."""
    early = chain.sign(0, VIEW, nonce=0, until_ms=GENESIS_MS + 25 * HOUR_MS)
    ledger = chain.open(tmp_path / "ledger")
    assert [12] == [one.code for one in add_block(ledger, early)]
    ledger.close()
    clock = FakeClock(GENESIS_MS + 1_000)
    with chain.engine(tmp_path, clock) as engine:
        assert 12 == refused(engine, early)
        clock.pass_ms(2 * HOUR_MS)
        assert 0 == engine.submit_and_wait(early).receipt.code


# Admission, in its order.


def test_bad_form_is_told_to_the_caller_at_once(engine: EmbeddedEngine, chain: Chain) -> None:
    """Before any thread or signature."""
    with pytest.raises(EnvelopeMalformed):
        engine.submit(b"")
    with pytest.raises(BodyMalformed):
        engine.submit(chain.sign(0, nonce=0))


def test_garbage_in_a_victims_name_costs_the_victim_nothing(
    engine: EmbeddedEngine, chain: Chain
) -> None:
    """Correction 12: signatures first; a thousand forgeries take no quota, nonce or memory."""
    data = codec.decode(chain.sign(0, VIEW, nonce=0), Envelope)
    forgeries = [
        engine.submit(
            codec.encode(
                Envelope(body=data.body, key=data.key, sig=b"\x01" + n.to_bytes(64, "big"))
            )
        )
        for n in range(1_000)
    ]
    for ticket in forgeries:
        with pytest.raises(SignatureInvalid):
            ticket.done.result(10)

    assert 0 == len(engine.mempool)
    assert not engine._remembered._hashes
    done = [engine.submit(chain.sign(0, term(n), nonce=n)) for n in range(200)]
    assert {0} == {ticket.done.result(10).receipt.code for ticket in done}


def test_a_verified_envelope_is_not_verified_twice(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resend is cheap: it is known by the hash of all its bytes, signature included."""
    data = chain.sign(0, VIEW, nonce=0)
    done = engine.submit_and_wait(data)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(engine._pool, "submit", never)

    assert done == engine.submit(data).done.result(10)


def test_key_expiry_and_nonce_are_judged_on_the_tip(
    engine: EmbeddedEngine, chain: Chain, clock: FakeClock
) -> None:
    """9, 11, 12, 14 end the ticket; none of it reaches a block."""
    engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
    service = chain.members[0].service
    expected = {
        KeyUnknown: chain.sign(0, term(2), nonce=1, key=service),
        TransactionExpired: chain.sign(0, term(2), nonce=1, until_ms=GENESIS_MS - 1),
        LifetimeTooLong: chain.sign(0, term(2), nonce=1, until_ms=GENESIS_MS + 25 * HOUR_MS),
        NonceUsed: chain.sign(0, term(2), nonce=0),
    }
    for kind, data in expected.items():
        with pytest.raises(kind):
            engine.submit_and_wait(data)

    clock.pass_ms(LIFETIME_MS + 1)
    assert 11 == refused(engine, chain.sign(0, term(2), nonce=1))
    assert 1 == engine.ledger.tip.height


def test_a_key_added_now_may_sign_in_the_next_block(engine: EmbeddedEngine, chain: Chain) -> None:
    """Admission does not go on judging by an older state."""
    assert 14 != refused(engine, chain.sign(0, VIEW, nonce=0, key=chain.members[0].log))
    for nonce in range(3):
        assert nonce + 1 == engine.submit_and_wait(chain.sign(0, term(nonce), nonce=nonce)).height


def test_an_unforeseen_fault_of_admission_ends_its_ticket(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and the next one is served."""
    with monkeypatch.context() as patch:
        patch.setattr(engine.mempool, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))

    assert 1 == engine.submit_and_wait(chain.sign(0, VIEW, nonce=0)).height
