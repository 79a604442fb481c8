"""The embedded engine: an answer means durable, once; nothing a caller does stops the writer."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from salus.base import codec
from salus.base.envelope import Envelope
from salus.base.errors import Category, Problem, Refusal
from salus.chain import MODULES
from salus.machine.execute import Machine
from salus.machine.refusals import (
    BodyMalformed,
    EnvelopeMalformed,
    KeyUnknown,
    LifetimeTooLong,
    NonceUsed,
    SignatureInvalid,
    TransactionExpired,
)
from salus.modules.audit import handlers
from salus.modules.audit.messages import RecordLine
from salus.modules.audit.queries import term as term_row
from salus.modules.audit.state import TERM, Term
from salus.modules.governance.actions import SetParameter, StartNetwork
from salus.modules.governance.messages import Propose, Vote
from salus.modules.governance.queries import parameter
from salus.node import quarantine as quarantine_module
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Ledger
from salus.node.mempool import StorageFull
from salus.node.ports import RealDisk
from salus.node.verify_pool import VerifyPool
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


def refused(engine: EmbeddedEngine, data: bytes) -> int:
    """The refusal's code at admission."""
    with pytest.raises(Refusal) as refusal:
        engine.submit_and_wait(data, 10)
    return refusal.value.code


@contextmanager
def held(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the writer inside its next block until the end; returns when it is there."""
    inside, released, execute = threading.Event(), threading.Event(), engine.ledger.execute

    def slow(*arguments: Any, **options: Any) -> Any:
        inside.set()
        assert released.wait(20)
        return execute(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(engine.ledger, "execute", slow)
        engine._renew.set()
        engine.mempool.wake()
        assert inside.wait(10)
        try:
            yield
        finally:
            released.set()


# An answer means durable, once.


def test_an_answer_names_the_block_that_holds_it(engine: EmbeddedEngine, chain: Chain) -> None:
    """Done, with receipt and place; the block's time is the clock's."""
    data = chain.sign(0, VIEW, nonce=0)

    done = engine.submit_and_wait(data)

    assert (1, 0, 0) == (done.height, done.position, done.receipt.code)
    assert [data] == engine.ledger.record(1).txs
    assert GENESIS_MS == engine.ledger.tip.time_ms
    assert (1, 0) == engine.ledger.find(done.id)


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


# Bugs of handlers.


class Undeclared(Refusal, number=9, category=Category.INVALID):
    """A refusal no module declares: it has no number in any receipt."""


def divide(*_: object) -> None:
    """The plainest bug."""
    raise ZeroDivisionError


def refuse_undeclared(*_: object) -> None:
    """A refusal that no receipt could name."""
    raise Undeclared


def write_a_huge_row(ctx: Any, _message: object) -> None:
    """A row that no table may hold: found when it is stored, not when it is written."""
    ctx.write(TERM, Term(text="x" * 70_000), 2, 2)


def write_no_row(ctx: Any, _message: object) -> None:
    """Something that has no encoding."""
    ctx.write(TERM, Term(text=object()), 2, 2)  # type: ignore[arg-type]  # the bug


@pytest.mark.parametrize("bug", [divide, refuse_undeclared, write_a_huge_row, write_no_row])
def test_a_handlers_bug_drops_its_transaction_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bug: Callable[..., None]
) -> None:
    """It is kept aside and told; others of the same block and later ones are done."""
    monkeypatch.setattr(handlers, "record_line", bug)
    chain, clock = Chain(2, Machine(MODULES)), FakeClock()
    with chain.engine(tmp_path, clock) as engine:
        bad = chain.sign(0, VIEW, LINE, nonce=0)
        with held(engine, monkeypatch):
            first, second = engine.submit(bad), engine.submit(chain.sign(1, VIEW, nonce=0))
        with pytest.raises(Problem, match="HandlerBug"):
            first.done.result(10)

        assert (2, 0, 0) == (
            second.done.result(10).height,
            second.done.result(10).position,
            second.done.result(10).receipt.code,
        )
        assert [bad] == [one.read_bytes() for one in (tmp_path / "quarantine").iterdir()]
        assert engine.ledger.find(first.transaction.id) is None
        assert 3 == engine.submit_and_wait(chain.sign(0, term(2), nonce=0)).height
        tip = engine.ledger.tip

    again = chain.open(tmp_path / "ledger")
    assert tip == again.tip
    again.close()


def test_the_quarantine_is_bounded_and_never_stops_the_ledger(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A member who found a bug cannot fill the disk; a folder that cannot be made is told."""
    monkeypatch.setattr(handlers, "record_line", divide)
    monkeypatch.setattr(quarantine_module, "FILES_MAX", 2)
    chain = Chain(2, Machine(MODULES))
    with chain.engine(tmp_path) as engine:
        for nonce in range(4):
            with pytest.raises(Problem, match="HandlerBug"):
                engine.submit_and_wait(chain.sign(0, LINE, nonce=nonce))
        assert 2 == len(list((tmp_path / "quarantine").iterdir()))

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "quarantine").write_text("a file in its place")
    with chain.engine(tmp_path / "other") as engine:
        with pytest.raises(Problem, match="the disk refused"):
            engine.submit_and_wait(chain.sign(0, LINE, nonce=0))
        engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))


# Clocks, idleness, what falls due.


@pytest.mark.parametrize("step_ms", [60_001, -60_001, 10 * 365 * 24 * HOUR_MS])
def test_a_clock_that_steps_stops_blocks_and_says_so(
    engine: EmbeddedEngine, chain: Chain, clock: FakeClock, step_ms: int
) -> None:
    """Grants end by block time: an operator looks at the clock first."""
    engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
    clock.step_ms(step_ms)
    until_ms = clock.now_ms() + LIFETIME_MS
    data = chain.sign(0, term(2), nonce=1, until_ms=max(until_ms, GENESIS_MS + LIFETIME_MS))

    for _ in range(2):
        with pytest.raises(Problem) as problem:
            engine.submit_and_wait(data)
        assert ("ClockStepped", Category.UNAVAILABLE) == (
            problem.value.name,
            problem.value.category,
        )
    assert 1 == engine.ledger.tip.height

    engine.accept_clock()
    assert 2 == engine.submit_and_wait(data).height
    assert max(GENESIS_MS, clock.now_ms()) == engine.ledger.tip.time_ms


def test_small_steps_and_a_slow_clock_are_no_matter(
    engine: EmbeddedEngine, chain: Chain, clock: FakeClock
) -> None:
    """Drift is believed; block time never goes back."""
    clock.step_ms(59_000)
    engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
    clock.step_ms(-59_000)

    engine.submit_and_wait(chain.sign(0, term(2), nonce=1))

    assert GENESIS_MS + 59_000 == engine.ledger.tip.time_ms
    assert -59_000 == engine._clock.age_ms(engine.ledger.tip.time_ms)


def test_an_idle_ledger_is_renewed_when_asked(
    engine: EmbeddedEngine, chain: Chain, clock: FakeClock
) -> None:
    """An empty block: newer time, same hashes; a young tip is left as it is."""
    engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
    before = engine.ledger.tip
    clock.pass_ms(30_000)
    assert before is engine.fresh_tip()
    clock.pass_ms(1)

    after = engine.fresh_tip()

    assert (before.height + 1, clock.now_ms()) == (after.height, after.time_ms)
    assert (before.app_hash, before.log_size) == (after.app_hash, after.log_size)


def test_what_falls_due_needs_no_transaction(tmp_path: Path) -> None:
    """Correction 9: the engine goes on by itself until the vote is carried out."""
    chain = Chain(members=1)
    action = codec.encode(SetParameter(name="vault.copies", value=5))
    propose = Propose(proposal=b"\x01" * 16, actions=[action], closes_ms=GENESIS_MS + 2 * HOUR_MS)
    with chain.engine(tmp_path) as engine:
        done = engine.submit_and_wait(chain.sign(0, propose, nonce=0))
        assert 0 == done.receipt.code

        tip = engine.ledger.wait_above(done.height + 1, 10)

        assert done.height + 2 == tip.height
        assert 5 == parameter(engine.ledger.view(), "vault.copies")
        assert tip.height == engine.ledger.wait_above(tip.height, 0.8).height


def test_a_ledger_that_moved_makes_no_more_blocks(tmp_path: Path) -> None:
    """The block that carries the vote out is the engine's last: 32005 now and after a restart."""
    chain, proposal = Chain(members=4, power=10), b"\x01" * 16
    action = codec.encode(StartNetwork())
    propose = Propose(proposal=proposal, actions=[action], closes_ms=GENESIS_MS + 2 * HOUR_MS)
    vote = Vote(proposal=proposal, yes=True)
    with chain.engine(tmp_path) as engine:
        for member, message in enumerate((propose, vote, vote)):
            done = engine.submit_and_wait(chain.sign(member, message, nonce=0))
            assert 0 == done.receipt.code
        assert wait_for(lambda: engine._moved)
        last = engine.ledger.tip.height
        assert done.height + 2 == last

        assert 32_005 == refused(engine, chain.sign(3, VIEW, nonce=0))
        assert done == engine.submit_and_wait(chain.sign(2, vote, nonce=0))

    with chain.engine(tmp_path) as engine:
        assert 32_005 == refused(engine, chain.sign(3, VIEW, nonce=0))
        assert last == engine.ledger.tip.height


# Full disks.


class FullDisk:
    """The system's disk without room for the journal's next file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        pwrite = RealDisk.pwrite

        def guarded(disk: RealDisk, file: int, data: bytes, at: int) -> None:
            if self.full and len(data) > 4_096 and not any(data):
                raise OSError(28, "No space left on device")
            pwrite(disk, file, data, at)

        monkeypatch.setattr(RealDisk, "pwrite", guarded)


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(
    chain: Chain, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32004 while there is no room for the next segment; reads and resends go on."""
    disk = FullDisk(monkeypatch)
    with chain.engine(tmp_path, clock) as engine:
        disk.full = True
        first = engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
        assert engine.ledger.storage_full

        assert 32_004 == refused(engine, chain.sign(0, term(2), nonce=1))
        assert first == engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
        assert term_row(engine.ledger.view(), 1, 1) is not None

        disk.full = False
        clock.pass_ms(5_000)
        assert wait_for(lambda: not engine.ledger.storage_full)
        assert 2 == engine.submit_and_wait(chain.sign(0, term(2), nonce=1)).height


def test_a_block_without_room_is_refused_and_changes_nothing(
    chain: Chain, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal needs a new segment and gets none: tickets end with 32004, the tip stays."""
    disk = FullDisk(monkeypatch)
    ledger = chain.open(tmp_path / "ledger", segment_bytes=16_384)
    disk.full = True
    nonce = fill_segment(ledger, chain)
    tip = ledger.tip
    ledger.close()

    with chain.engine(tmp_path, clock, segment_bytes=16_384) as engine:
        assert tip == engine.ledger.tip
        data = chain.sign(0, term(nonce), nonce=nonce)
        with pytest.raises(StorageFull):
            engine.submit_and_wait(data)
        assert tip == engine.ledger.tip

        disk.full = False
        clock.pass_ms(5_000)
        assert wait_for(lambda: not engine.ledger.storage_full)
        assert tip.height + 1 == engine.submit_and_wait(data).height


def fill_segment(ledger: Ledger, chain: Chain) -> int:
    """Commit blocks until the journal has no room; the nonce that found none."""
    for nonce in range(100):
        try:
            add_block(ledger, chain.sign(0, term(nonce), nonce=nonce), time_ms=GENESIS_MS)
        except Problem:
            return nonce
    raise AssertionError


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within ten seconds."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(1_000))


# The end.


def test_closing_answers_everybody(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block in work is finished; who waits is told; who comes later, too."""
    with held(engine, monkeypatch):
        waiting = engine.submit(chain.sign(0, VIEW, nonce=0))
        assert wait_for(lambda: len(engine.mempool) == 1)
        closer = threading.Thread(target=engine.close)
        closer.start()
        with pytest.raises(Problem, match="NodeStopped"):
            waiting.done.result(10)
    closer.join()

    with pytest.raises(Problem, match="NodeStopped"):
        engine.submit(chain.sign(0, VIEW, nonce=0))


def test_a_writer_that_fails_leaves_nobody_waiting(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block's callers do not know their end; later ones are told that the node stopped."""
    monkeypatch.setattr(engine.ledger, "execute", divide)
    data = chain.sign(0, VIEW, nonce=0)

    with pytest.raises(Problem) as problem:
        engine.submit_and_wait(data)

    assert Category.UNKNOWN_OUTCOME == problem.value.category
    assert wait_for(lambda: engine._failure is not None)
    with pytest.raises(Problem, match="NodeStopped"):
        engine.submit(data)


def test_a_caller_who_waits_too_long_is_told_to_send_again(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is unknown; the same bytes then get the answer."""
    data = chain.sign(0, VIEW, nonce=0)
    with held(engine, monkeypatch), pytest.raises(Problem, match="send the same bytes again"):
        engine.submit_and_wait(data, 0.01)

    assert 0 == engine.submit_and_wait(data).receipt.code
