"""Signature checks beside the writer: right, once each, and never left waiting."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from salus.node import verify_pool
from salus.node.verify_pool import Remembered, VerifyPool
from salus.node.verify_worker import holds
from tests.support.ledgers import VIEW, Chain

CHAIN = Chain(members=1)
GOOD = [CHAIN.sign(0, VIEW, nonce=nonce) for nonce in range(120)]
OTHER = CHAIN.sign(0, VIEW, nonce=0, network=bytes(32))
BAD = [GOOD[0][:-1] + bytes([GOOD[0][-1] ^ 1]), OTHER, b"", b"\xc1", GOOD[0][:-1]]
MIXED = [*GOOD[:60], *BAD, *GOOD[60:]]
EXPECTED = [True] * 60 + [False] * len(BAD) + [True] * 60


@pytest.fixture(params=[0, 1, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[VerifyPool]:
    """In this process, by one worker, by two."""
    pool = VerifyPool(CHAIN.network, workers=request.param)
    yield pool
    pool.close()


def test_many_are_checked_in_order(pool: VerifyPool) -> None:
    """Good and bad ones, wherever they are checked."""
    assert EXPECTED == pool.check(MIXED)
    assert EXPECTED[58:68] == pool.check(MIXED[58:68])
    assert [] == pool.check([])


def test_each_is_answered_once(pool: VerifyPool) -> None:
    """Each `submit` leads to one answer, its own."""
    answers: dict[int, list[bool]] = {}
    left = threading.Semaphore(0)

    def tell(at: int, verdict: bool) -> None:  # noqa: FBT001 (as the pool calls it)
        answers.setdefault(at, []).append(verdict)
        left.release()

    for at, data in enumerate(MIXED):
        pool.submit(data, lambda verdict, at=at: tell(at, verdict))  # type: ignore[misc]  # a default binds it
    for _ in MIXED:
        assert left.acquire(timeout=10)

    assert {at: [verdict] for at, verdict in enumerate(EXPECTED)} == answers


def test_one_callers_bug_stops_nobody_else(pool: VerifyPool) -> None:
    """An answer that raises is logged; the next ones are told."""

    def stumble(_verdict: bool) -> None:  # noqa: FBT001 (as the pool calls it)
        raise ZeroDivisionError

    for _ in range(3):
        pool.submit(GOOD[0], stumble)

    assert EXPECTED == pool.check(MIXED)


def test_a_killed_worker_is_replaced_by_the_node_itself() -> None:
    """Nothing hangs and nothing is wrong: checks go on, slower."""
    pool = VerifyPool(CHAIN.network, workers=1)
    assert EXPECTED == pool.check(MIXED)
    os.kill(pool._processes[0].pid, signal.SIGKILL)
    pool._processes[0].wait(10)

    for _ in range(5):
        assert EXPECTED == pool.check(MIXED)

    pool.close()


def test_a_worker_outlives_ctrl_c() -> None:
    """The signal reaches the whole group; the node still needs its workers to finish."""
    pool = VerifyPool(CHAIN.network, workers=1)
    assert EXPECTED == pool.check(MIXED)
    os.kill(pool._processes[0].pid, signal.SIGINT)

    assert EXPECTED == pool.check(MIXED)
    assert pool._processes[0].poll() is None
    pool.close()


def test_after_its_end_a_pool_still_answers(pool: VerifyPool) -> None:
    """A late caller is served in its own thread, and closing twice does nothing."""
    pool.close()
    pool.close()
    answers: list[bool] = []

    pool.submit(GOOD[0], answers.append)
    pool.submit(BAD[0], answers.append)

    assert [True, False] == answers
    assert EXPECTED == pool.check(MIXED)


def test_a_signature_holds_for_one_network() -> None:
    """The network id is under the signature."""
    assert holds(CHAIN.network, GOOD[0])
    assert not holds(CHAIN.network, OTHER)
    assert holds(bytes(32), OTHER)


def test_the_oldest_is_forgotten_first() -> None:
    """A bounded memory of what holds."""
    remembered = Remembered(most=2)
    for name in (b"a", b"b", b"b", b"c"):
        remembered.add(name)

    assert [False, True, True] == [name in remembered for name in (b"a", b"b", b"c")]
    assert verify_pool.REMEMBERED_MAX == Remembered()._most
