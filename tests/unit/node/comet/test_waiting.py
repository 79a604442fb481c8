"""Who may wait for a block, and who is told of its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.base.limits import WAITING_PER_KEY_MAX
from salus.machine.refusals import NonceUsed, TransactionExpired
from salus.node.comet import waiting as waiting_file
from salus.node.comet.waiting import NOBODY, WAIT_S_MAX, Waiting, follow
from salus.node.ledger import Ledger
from salus.node.mempool import KeyQuota, MemberQuota, MempoolFull, Ticket
from tests.support.ledgers import Chain, FakeClock, execute, term
from tests.support.machine import GENESIS_MS, LIFETIME_MS


class Pool:
    """A ledger and what waits for its next block."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=4)
        self.clock = FakeClock()
        self.ledger: Ledger = self.chain.open(folder)
        self.waiting = Waiting(self.ledger, self.clock)

    def ticket(
        self, member: int, nonce: int, number: int = 1, until_ms: int = GENESIS_MS + LIFETIME_MS
    ) -> Ticket:
        data = self.chain.sign(member, term(number), nonce=nonce, until_ms=until_ms)
        return Ticket(data, self.ledger.machine.form.read(data))

    def commit(self, *tickets: Ticket) -> None:
        executed = execute(self.ledger, *(one.data for one in tickets))
        self.ledger.commit(executed)
        self.waiting.settle(executed)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """Nothing waits yet."""
    made = Pool(tmp_path)
    yield made
    made.waiting.close()
    made.ledger.close()


def test_a_block_ends_the_wait_with_the_receipt(pool: Pool) -> None:
    """Of the transaction at its position; the others go on waiting."""
    first, second, third = (pool.waiting.add(pool.ticket(n, 0)) for n in range(3))
    pool.commit(second, first)

    assert (1, 1, 9002) == (
        first.done.result(0).height,
        first.done.result(0).position,
        first.done.result(0).receipt.code,
    )
    assert 0 == second.done.result(0).receipt.code
    assert [third] == pool.waiting.tickets()
    assert pool.waiting.find(first.transaction.hash) is None
    assert third.transaction is pool.waiting.find(third.transaction.hash)


def test_the_same_transaction_waits_once(pool: Pool) -> None:
    """Whoever brings it again follows the first ticket."""
    first, again = pool.ticket(0, 0), pool.ticket(0, 0)
    pool.waiting.add(first)

    assert first is pool.waiting.add(again)
    follow(again, first)
    pool.commit(first)
    assert first.done.result(0) == again.done.result(0)


def test_whoever_waits_for_what_another_node_sent_is_told(pool: Pool) -> None:
    """A stranger's ticket is heard by nobody; the first caller's takes its place, in its turn."""
    strange, after = pool.ticket(0, 0), pool.ticket(1, 0, number=2)
    strange.done = NOBODY
    pool.waiting.add(strange)
    pool.waiting.add(after)
    own = pool.ticket(0, 0)

    assert own is pool.waiting.add(own)
    assert [own, after] == pool.waiting.tickets()
    assert 2 == len(pool.waiting)
    pool.commit(own, after)
    assert 0 == own.done.result(0).receipt.code
    assert not NOBODY.done()


def test_nobody_is_told_of_what_ends_unheard(pool: Pool) -> None:
    """In a block, by a recheck, at a refusal of CometBFT's, at the end: one promise serves all."""
    for nonce in range(4):
        strange = pool.ticket(nonce, 0, number=nonce + 1, until_ms=GENESIS_MS + 10)
        strange.done = NOBODY
        pool.waiting.add(strange)
    first, second, third, _ = pool.waiting.tickets()
    pool.commit(first)
    pool.clock.wall_ms = GENESIS_MS + 11
    with pytest.raises(TransactionExpired):
        pool.waiting.recheck(second.transaction)
    pool.waiting.refuse(third, MempoolFull())
    pool.waiting.close()

    assert 0 == len(pool.waiting)
    assert not NOBODY.done()


def test_refused_in_the_documented_order(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    """Each case breaks every later rule too."""
    for nonce in range(3):
        pool.waiting.add(pool.ticket(0, nonce))
    late = pool.ticket(0, 2, number=9, until_ms=GENESIS_MS + 10)
    pool.clock.pass_ms(11)
    with pytest.raises(TransactionExpired):
        pool.waiting.add(late)
    monkeypatch.setattr(waiting_file, "WAITING_PER_KEY_MAX", 3)
    with pytest.raises(KeyQuota):
        pool.waiting.add(late)
    monkeypatch.setattr(waiting_file, "TRANSACTIONS_MAX", 3)
    with pytest.raises(MempoolFull):
        pool.waiting.add(late)


def test_a_nonce_that_waits_is_taken(pool: Pool) -> None:
    """By another body; a key has one transaction a nonce under way."""
    pool.waiting.add(pool.ticket(0, 0))
    with pytest.raises(NonceUsed):
        pool.waiting.add(pool.ticket(0, 0, number=2))


def test_a_member_holds_at_most_a_quarter(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    """A flooder fills its own share; the others still come in."""
    monkeypatch.setattr(waiting_file, "TRANSACTIONS_MAX", 8)
    for nonce in range(2):
        pool.waiting.add(pool.ticket(0, nonce))
    with pytest.raises(MemberQuota):
        pool.waiting.add(pool.ticket(0, 2))
    pool.waiting.add(pool.ticket(1, 0))


def test_a_key_has_its_own_bound(pool: Pool) -> None:
    """200 under way; one more when one is decided."""
    tickets = [pool.waiting.add(pool.ticket(0, nonce)) for nonce in range(WAITING_PER_KEY_MAX)]
    with pytest.raises(KeyQuota):
        pool.waiting.add(pool.ticket(0, WAITING_PER_KEY_MAX))
    pool.commit(tickets[0])
    pool.waiting.add(pool.ticket(0, WAITING_PER_KEY_MAX))


def test_after_a_minute_a_caller_is_told_that_nobody_knows(pool: Pool) -> None:
    """CometBFT may hold it still; the place is given to others."""
    old = pool.waiting.add(pool.ticket(0, 0))
    pool.clock.pass_ms(int(WAIT_S_MAX * 1000) + 1)
    with pytest.raises(TransactionExpired):
        pool.waiting.add(pool.ticket(1, 0))

    with pytest.raises(Problem, match="UnknownOutcome"):
        old.done.result(0)
    assert 0 == len(pool.waiting)


def test_what_a_recheck_refuses_waits_no_more(pool: Pool) -> None:
    """Its caller hears why; a transaction nobody here waits for is refused alike."""
    ticket = pool.waiting.add(pool.ticket(0, 0))
    pool.waiting.recheck(ticket.transaction)
    other = pool.ticket(0, 0, number=2)
    executed = execute(pool.ledger, other.data)
    pool.ledger.commit(executed)
    for _ in range(2):
        with pytest.raises(NonceUsed):
            pool.waiting.recheck(ticket.transaction)

    with pytest.raises(NonceUsed):
        ticket.done.result(0)
    assert 0 == len(pool.waiting)


def test_a_node_that_stops_tells_whoever_waits(pool: Pool) -> None:
    """And takes nothing more."""
    ticket = pool.waiting.add(pool.ticket(0, 0))
    pool.waiting.close()

    with pytest.raises(Problem, match="NodeStopped"):
        ticket.done.result(0)
    with pytest.raises(Problem, match="NodeStopped"):
        pool.waiting.add(pool.ticket(1, 0))


def test_what_comet_did_not_take_is_refused_once(pool: Pool) -> None:
    """A ticket that has ended already keeps its end."""
    ticket = pool.waiting.add(pool.ticket(0, 0))
    pool.waiting.refuse(ticket, MempoolFull())
    pool.waiting.refuse(ticket, MempoolFull())

    with pytest.raises(MempoolFull):
        ticket.done.result(0)
