"""The embedded engine at bugs, stepping clocks, full disks, its end; and what falls due."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.base import codec
from salus.base.errors import Category, Problem, Refusal
from salus.chain import MODULES
from salus.machine.execute import Machine
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
from tests.support.engines import held, refused, wait_for
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


# The end.


def test_closing_answers_everybody(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block in work is finished; who waits is told; who comes later, too."""
    with held(engine, monkeypatch):
        waiting, copy = (engine.submit(chain.sign(0, VIEW, nonce=0)) for _ in range(2))
        assert wait_for(lambda: engine._order.is_idle)
        closer = threading.Thread(target=engine.close)
        closer.start()
        for ticket in (waiting, copy):
            with pytest.raises(Problem, match="NodeStopped"):
                ticket.done.result(10)
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
    assert "its engine stopped at block" in str(engine.unready())


def test_a_caller_who_waits_too_long_is_told_to_send_again(
    engine: EmbeddedEngine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is unknown; the same bytes then get the answer."""
    data = chain.sign(0, VIEW, nonce=0)
    with held(engine, monkeypatch), pytest.raises(Problem, match="send the same bytes again"):
        engine.submit_and_wait(data, 0.01)

    assert 0 == engine.submit_and_wait(data).receipt.code
