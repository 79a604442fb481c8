"""
Envelopes made before the clock starts, so that the clients' signing is not measured.

Each takes the next of the 256 keys and that key's next nonce, as so many doors would.
"""

import random
from collections.abc import Callable, Sequence

from bench.network import LIFETIME_MS, Network, add_block, now_ms, random_row, row_key
from bench.rows.messages import Put, PutRows
from salus.machine.module import Message
from salus.machine.transaction import sign
from salus.modules.audit import queries as audit
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.state import ACTIVITY, RESOURCE
from salus.node.ledger import Ledger

NONCES_A_RUN = 4_096
"""Each run begins above all nonces of the runs before it."""

TERM = 1
"""Number of the one activity and the one resource that the lines name."""

Make = Callable[[int], Sequence[Message]]
"""Number of the transaction -> its messages."""


def sign_all(of: Network, make: Make, numbers: range, run: int) -> list[bytes]:
    """
    Sign the transactions of these numbers, 0 to 1,048,575.

    `run`: 1 or more, another for whatever else writes to the same ledger.
    """
    until_ms = now_ms() + LIFETIME_MS
    keys = of.keys
    network, first = of.id, run * NONCES_A_RUN
    return [
        sign(
            network,
            keys[number % len(keys)],
            make(number),
            nonce=first + number // len(keys),
            until_ms=until_ms,
        )
        for number in numbers
    ]


def three_rows(filled: int, run: int) -> Make:
    """B1's transaction: 300 B, three rows in one message, of all rows half new."""
    draw = random.Random(run)
    next_new = _news(run)

    def make(number: int) -> Sequence[Message]:
        new = 1 + number % 2
        puts = [random_row(draw, next_new()) for _ in range(new)]
        puts += [random_row(draw, draw.randrange(filled)) for _ in range(3 - new)]
        return [PutRows(rows=puts)]

    return make


def hundred_rows(filled: int, run: int) -> Make:
    """B2's transaction with state: 100 messages, a row each, half new."""
    draw = random.Random(run)
    next_new = _news(run)

    def make(_number: int) -> Sequence[Message]:
        numbers = (next_new() if one % 2 else draw.randrange(filled) for one in range(100))
        return [PutRows(rows=[random_row(draw, one)]) for one in numbers]

    return make


def one_row(value_bytes: int, run: int) -> Make:
    """B3's transaction: the one new row that the peers write too."""
    draw = random.Random(run)
    next_new = _news(run)

    def make(_number: int) -> Sequence[Message]:
        return [PutRows(rows=[Put(key=row_key(next_new()), value=draw.randbytes(value_bytes))])]

    return make


def lines(a_transaction: int) -> Make:
    """Audit lines, so many under one signature; see `define_terms`."""
    time_ms = now_ms()

    def make(number: int) -> Sequence[Message]:
        return [
            RecordLine(
                activity=TERM, node=1, ref=number * a_transaction + at, resource=TERM,
                time_ms=time_ms, user=5,
            )
            for at in range(a_transaction)
        ]  # fmt: skip

    return make


def define_terms(ledger: Ledger, of: Network, run: int) -> None:
    """Give `lines` its vocabulary unless it is there; spends the first nonce of the run."""
    if audit.term(ledger.view(), ACTIVITY, TERM) is None:
        messages = [
            DefineTerm(kind=ACTIVITY, number=TERM, text="VIEW"),
            DefineTerm(kind=RESOURCE, number=TERM, text="CHART"),
        ]
        add_block(ledger, sign_all(of, lambda _: messages, range(1), run))


def _news(run: int) -> Callable[[], int]:
    """Row numbers that no other run and no filling uses."""
    taken = iter(range(run << 32, (run + 1) << 32))
    return lambda: next(taken)
