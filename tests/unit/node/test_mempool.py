"""Admission: who may wait, how much, and in what order blocks take it."""

from collections.abc import Callable
from concurrent.futures import CancelledError

import pytest

from salus.base.errors import Problem, Refusal
from salus.base.signing import SigningKey
from salus.machine.refusals import KeyUnknown, NonceUsed
from salus.node import mempool as pool_module
from salus.node.mempool import KeyQuota, MemberQuota, Mempool, MempoolFull, StorageFull, Ticket
from tests.support.ledgers import VIEW, Chain, term

CHAIN = Chain(members=3)
KEYS = [SigningKey(bytes([9, number]) + bytes(30)) for number in range(40)]


def ticket(member: int, nonce: int, *, key: int = 0, large: int = 0) -> Ticket:
    """A verified transaction of a key; `large`: bytes of text in it."""
    message = term(nonce % 65_536, "x" * large) if large else VIEW
    data = CHAIN.sign(member, message, nonce=nonce, key=KEYS[key])
    return Ticket(data, CHAIN.machine.form.read(data))


def of(member: int) -> Callable[[Ticket], bytes]:
    """An `admit` that finds this member behind every key."""
    return lambda _ticket: bytes([member]) * 16


def fill(mempool: Mempool, member: int, count: int, *, key: int = 0, first: int = 0) -> None:
    """Let so many of one key wait."""
    for nonce in range(first, first + count):
        mempool.add(ticket(member, nonce, key=key), of(member))


@pytest.fixture
def mempool() -> Mempool:
    """An empty one."""
    return Mempool()


def test_a_key_has_200_waiting_at_most(mempool: Mempool) -> None:
    """The 201st is 32002; another key of the member still passes, and settling makes room."""
    fill(mempool, 0, 200)
    with pytest.raises(KeyQuota) as refused:
        mempool.add(ticket(0, 200), of(0))
    assert (32_002, 200) == (refused.value.code, refused.value.limit)

    mempool.add(ticket(0, 0, key=1), of(0))
    mempool.settle(mempool.take(0))

    assert 0 == len(mempool)
    mempool.add(ticket(0, 200), of(0))


def test_a_member_holds_a_quarter_of_the_pool(
    mempool: Mempool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By count, over all its keys: 32003; the others are not touched by it."""
    monkeypatch.setattr(pool_module, "POOL_TRANSACTIONS_MAX", 40)
    fill(mempool, 0, 5)
    fill(mempool, 0, 5, key=1)

    with pytest.raises(MemberQuota) as refused:
        mempool.add(ticket(0, 0, key=2), of(0))

    assert (32_003, 10) == (refused.value.code, refused.value.limit)
    mempool.add(ticket(1, 0, key=3), of(1))


def test_a_member_holds_a_quarter_of_the_pools_bytes(
    mempool: Mempool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few large transactions must not crowd the others out, also while they are executed."""
    monkeypatch.setattr(pool_module, "POOL_BYTES_MAX", 160_000)
    mempool.add(ticket(0, 0, large=30_000), of(0))
    taken = mempool.take(0)

    with pytest.raises(MemberQuota):
        mempool.add(ticket(0, 1, large=30_000), of(0))

    mempool.add(ticket(1, 0, key=1, large=30_000), of(1))
    mempool.settle(taken)
    mempool.add(ticket(0, 1, large=30_000), of(0))


def test_a_full_pool_refuses_before_all_else(
    mempool: Mempool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32001 by count and by bytes; nobody's key is even looked at."""
    monkeypatch.setattr(pool_module, "POOL_TRANSACTIONS_MAX", 8)
    for member in range(4):
        fill(mempool, member, 2, key=member)

    def never(_ticket: Ticket) -> bytes:
        raise AssertionError

    with pytest.raises(MempoolFull) as refused:
        mempool.add(ticket(0, 9), never)
    assert 32_001 == refused.value.code

    monkeypatch.setattr(pool_module, "POOL_TRANSACTIONS_MAX", 100)
    monkeypatch.setattr(pool_module, "POOL_BYTES_MAX", mempool._bytes)
    with pytest.raises(MempoolFull):
        mempool.add(ticket(0, 9), never)


def test_the_one_that_waits_answers_for_its_copies(mempool: Mempool) -> None:
    """One id, one place: also while it is executed, and before any quota."""
    first = ticket(0, 0)
    fill(mempool, 0, 199, first=1)
    assert first is mempool.add(first, of(0))

    assert first is mempool.add(ticket(0, 0), of(0))
    assert first is mempool.waiting(first.transaction.id)
    taken = mempool.take(0)
    assert first is mempool.add(ticket(0, 0), of(0))
    mempool.settle(taken)
    mempool.settle(taken)  # again: nothing is left to forget

    assert mempool.waiting(first.transaction.id) is None


def test_two_acts_with_one_nonce_cannot_both_wait(mempool: Mempool) -> None:
    """14 at once, not only in the block."""
    mempool.add(ticket(0, 0), of(0))

    with pytest.raises(NonceUsed):
        mempool.add(ticket(0, 0, large=5), of(0))


def test_who_is_refused_leaves_nothing_behind(mempool: Mempool) -> None:
    """No queue, no count, no nonce."""

    def refuse(one: Ticket) -> bytes:
        raise KeyUnknown(key_id=one.transaction.key_id)

    with pytest.raises(Refusal, match="KeyUnknown"):
        mempool.add(ticket(0, 0), refuse)

    assert 0 == len(mempool)
    assert [] == mempool.take(0)


def test_members_take_turns(mempool: Mempool) -> None:
    """One each in turn, in order within a member: who sends much waits behind nobody but itself."""
    fill(mempool, 0, 5)
    fill(mempool, 1, 2, key=1)
    fill(mempool, 2, 1, key=2)

    turns = [(one.member[0], one.transaction.nonce) for one in mempool.take(0)]

    assert [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2), (0, 3), (0, 4)] == turns


BOUNDS = {
    "transactions": ("BLOCK_TRANSACTIONS_MAX", 3, 3),
    "bytes": ("BLOCK_BYTES_MAX", 3 * len(ticket(0, 0).data) + 10, 3),
    "messages": ("BLOCK_MESSAGES_MAX", 2, 2),
    "a first one alone over the bound": ("BLOCK_MESSAGES_MAX", 0, 1),
}


@pytest.mark.parametrize(("name", "bound", "count"), BOUNDS.values(), ids=BOUNDS.keys())
def test_a_block_is_bounded(
    mempool: Mempool, monkeypatch: pytest.MonkeyPatch, name: str, bound: int, count: int
) -> None:
    """What does not fit waits for the next block, in its order."""
    monkeypatch.setattr(pool_module, name, bound)
    fill(mempool, 0, 7)

    blocks = [[one.transaction.nonce for one in mempool.take(0)] for _ in range(7)]

    assert count == len(blocks[0])
    assert list(range(7)) == [nonce for block in blocks for nonce in block]


def test_taking_waits_for_the_first_or_a_word(mempool: Mempool) -> None:
    """Nothing within the time gives nothing; `wake` ends one waiting."""
    assert [] == mempool.take(0.01)
    mempool.wake()
    assert [] == mempool.take(30.0)
    fill(mempool, 0, 1)
    assert 1 == len(mempool.take(30.0))


def test_a_closed_pool_gives_back_what_waited(mempool: Mempool) -> None:
    """So that its callers are told; nothing more comes in, and the writer wakes."""
    fill(mempool, 0, 3)
    fill(mempool, 1, 2, key=1)

    assert 5 == len(mempool.close())

    assert [] == mempool.close()
    assert [] == mempool.take(30.0)
    with pytest.raises(Problem, match="NodeStopped"):
        mempool.add(ticket(0, 9), of(0))


def test_a_caller_cannot_cancel_what_it_submitted() -> None:
    """A web client that leaves must not make the block writer stumble over its ticket."""
    one = ticket(0, 0)

    assert not one.done.cancel()
    one.done.set_exception(StorageFull())
    with pytest.raises(StorageFull):
        one.done.result(0)
    assert not issubclass(StorageFull, CancelledError)
    assert 32_004 == StorageFull().code
