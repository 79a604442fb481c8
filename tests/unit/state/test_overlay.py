"""The overlay: a refused transaction leaves nothing; what cannot be stored is found at once."""

from random import Random

import msgspec
import pytest

from salus.base.codec import Struct
from salus.base.errors import Fault
from salus.base.types import Count
from salus.state.overlay import Overlay
from salus.state.tables import Table, number


class Row(Struct, frozen=True):
    """A row of these tests."""

    n: Count


class Large(Struct, frozen=True):
    """A row that can be too large."""

    data: bytes


TABLE: Table[Row] = Table(9, 7, "t.rows", Row, (number("n", 1),))
LARGE: Table[Large] = Table(9, 8, "t.large", Large)
KEY = TABLE.key(1)


def committed(rows: dict[int, int]) -> dict[bytes, bytes]:
    """A committed state."""
    return {TABLE.key(key): TABLE.encode(Row(n=value)) for key, value in rows.items()}


def test_reads_fall_through_transaction_block_and_state() -> None:
    """The uppermost layer that knows the row decides, absence included."""
    overlay = Overlay(committed({1: 10}).get)
    assert Row(n=10) == overlay.read(TABLE, KEY)
    assert overlay.read(TABLE, TABLE.key(2)) is None

    overlay.write(TABLE, KEY, Row(n=11))
    overlay.begin()
    assert Row(n=11) == overlay.read(TABLE, KEY)
    overlay.write(TABLE, KEY, None)
    assert overlay.read(TABLE, KEY) is None
    overlay.rollback()
    assert Row(n=11) == overlay.read(TABLE, KEY)

    overlay.begin()
    overlay.write(TABLE, KEY, None)
    overlay.commit()
    assert overlay.read(TABLE, KEY) is None
    assert {KEY: None} == overlay.changes()


def test_the_state_is_asked_once_a_row() -> None:
    """Decoded rows are kept for the block: they are frozen."""
    asked: list[bytes] = []
    state = committed({1: 10})

    def read(key: bytes) -> bytes | None:
        asked.append(key)
        return state.get(key)

    overlay = Overlay(read)
    assert overlay.read(TABLE, KEY) is overlay.read(TABLE, KEY)
    assert overlay.read(TABLE, TABLE.key(2)) is overlay.read(TABLE, TABLE.key(2))
    assert [KEY, TABLE.key(2)] == asked


def test_a_transaction_stands_alone() -> None:
    """One inside another would lose the outer one's rows silently."""
    overlay = Overlay(committed({}).get)
    overlay.begin()
    with pytest.raises(Fault, match="inside a transaction"):
        overlay.begin()
    overlay.rollback()
    overlay.begin()
    overlay.commit()

    assert {} == overlay.changes()


def test_a_row_that_cannot_be_stored_is_its_transactions_bug() -> None:
    """Found when the transaction ends, not at the block's end; nothing of it stays."""
    overlay = Overlay(committed({}).get)
    overlay.begin()
    overlay.write(TABLE, KEY, Row(n=1))
    overlay.write(LARGE, LARGE.key(), Large(data=bytes(70_000)))
    with pytest.raises(Fault, match="row over"):
        overlay.commit()
    overlay.rollback()

    assert overlay.read(TABLE, KEY) is None
    assert {} == overlay.changes()
    with pytest.raises((TypeError, msgspec.ValidationError)):
        overlay.write(TABLE, KEY, Row(n=object()))  # type: ignore[arg-type]  # the bug
    assert {} == overlay.changes()


@pytest.mark.parametrize("seed", range(5))
def test_any_course_of_transactions_ends_as_a_plain_dictionary(seed: int) -> None:
    """Random reads, writes, commits and rollbacks against dictionaries."""
    random = Random(seed)
    state = {key: random.randrange(100) for key in range(0, 20, 2)}
    overlay = Overlay(committed(state).get)
    block: dict[int, int | None] = {}
    transaction: dict[int, int | None] | None = None
    for _ in range(400):
        act = random.choice(["read", "write", "delete", "begin", "commit", "rollback"])
        key = random.randrange(20)
        layer = block if transaction is None else transaction
        if act == "write":
            layer[key] = random.randrange(100)
            overlay.write(TABLE, TABLE.key(key), Row(n=layer[key] or 0))
        elif act == "delete":
            layer[key] = None
            overlay.write(TABLE, TABLE.key(key), None)
        elif act == "begin" and transaction is None:
            transaction = {}
            overlay.begin()
        elif act == "commit" and transaction is not None:
            block |= transaction
            transaction = None
            overlay.commit()
        elif act == "rollback" and transaction is not None:
            transaction = None
            overlay.rollback()
        expected = {**state, **block, **(transaction or {})}.get(key)
        row = overlay.read(TABLE, TABLE.key(key))
        assert expected == (None if row is None else row.n), f"seed {seed}"

    changes = {TABLE.key(key): None if value is None else TABLE.encode(Row(n=value or 0))
               for key, value in block.items()}  # fmt: skip
    assert changes == overlay.changes()
