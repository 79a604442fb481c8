"""Tickets go on in the order they came, whenever their signatures are answered."""

from random import Random
from threading import Thread

import pytest

from salus.node.in_order import InOrder
from salus.node.mempool import Ticket
from tests.support.ledgers import VIEW, Chain

CHAIN = Chain(members=1)


def tickets(count: int) -> list[Ticket]:
    """So many, by their nonces."""
    envelopes = [CHAIN.sign(0, VIEW, nonce=nonce) for nonce in range(count)]
    return [Ticket(data, CHAIN.machine.form.read(data)) for data in envelopes]


@pytest.mark.parametrize("seed", range(5))
def test_answers_in_any_order_admit_in_the_first(seed: int) -> None:
    """Each once, with its own verdict; idle at the end alone."""
    admitted: list[tuple[int, bool]] = []
    order = InOrder(lambda ticket, holds: admitted.append((ticket.transaction.nonce, holds)))
    expected = tickets(30)
    assert order.is_idle
    for ticket in expected:
        order.expect(ticket)

    for ticket in Random(seed).sample(expected, 30):
        assert not order.is_idle
        order.answer(ticket, holds=ticket.transaction.nonce % 3 > 0)

    assert [(nonce, nonce % 3 > 0) for nonce in range(30)] == admitted
    assert order.is_idle


def test_answers_from_many_threads_keep_the_order() -> None:
    """One thread admits at a time."""
    admitted: list[int] = []
    order = InOrder(lambda ticket, _holds: admitted.append(ticket.transaction.nonce))
    expected = tickets(400)
    for ticket in expected:
        order.expect(ticket)

    def tell(start: int) -> None:
        for ticket in expected[start::4]:
            order.answer(ticket, holds=True)

    threads = [Thread(target=tell, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(range(400)) == admitted
