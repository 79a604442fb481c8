"""Tables: one state key a row, of fixed widths, and no value that fits two places."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base.codec import Struct
from salus.base.errors import Fault
from salus.base.limits import ROW_BYTES_MAX, STATE_KEY_BYTES_MAX
from salus.chain import machine
from salus.state.tables import Table, number, raw, text


class Row(Struct, frozen=True):
    """A row of these tests."""

    data: bytes


ONE: Table[Row] = Table(9, 7, "t.one", Row)
RAW: Table[Row] = Table(9, 8, "t.raw", Row, (raw("id", 16),))
MIXED: Table[Row] = Table(9, 9, "t.mixed", Row, (number("n", 2), raw("id", 4), text("name")))
ID = b"\x01" * 16


def test_a_key_is_prefix_and_parts() -> None:
    """Module, table, then the parts, big-endian; text last and bare."""
    assert b"\x09\x07" == ONE.key()
    assert b"\x09\x08" + ID == RAW.key(ID)
    assert b"\x09\x09\x01\x02abcdname" == MIXED.key(258, b"abcd", "name")


@given(st.integers(0, 65_535), st.binary(min_size=4, max_size=4), st.text(min_size=1, max_size=16))
def test_a_key_leads_back_to_its_parts(first: int, second: bytes, third: str) -> None:
    """And to no other's."""
    key = MIXED.key(first, second, third)

    assert (first, second, third) == MIXED.split(key)
    assert () == ONE.split(ONE.key())
    assert (ID,) == RAW.split(RAW.key(ID))


WRONG: dict[str, tuple[Table[Row], tuple[Any, ...]]] = {
    "none of one": (RAW, ()),
    "one of none": (ONE, (ID,)),
    "one of three": (MIXED, (1,)),
    "bytes too short": (RAW, (ID[:-1],)),
    "bytes too long": (RAW, (ID + b"\x00",)),
    "a text for bytes": (RAW, ("x" * 16,)),
    "a number for bytes": (RAW, (16,)),
    "a number too large": (MIXED, (65_536, b"abcd", "x")),
    "a negative number": (MIXED, (-1, b"abcd", "x")),
    "bytes for a number": (MIXED, (b"\x00\x01", b"abcd", "x")),
    "no text": (MIXED, (1, b"abcd", "")),
    "a text too long": (MIXED, (1, b"abcd", "é" * 33)),
    "bytes for a text": (MIXED, (1, b"abcd", b"x")),
}


@pytest.mark.parametrize(("table", "parts"), WRONG.values(), ids=WRONG.keys())
def test_a_part_of_another_kind_or_width_is_a_bug(
    table: Table[Row], parts: tuple[Any, ...]
) -> None:
    """It would fall on another row's key, or be lost."""
    with pytest.raises(Fault, match=table.name):
        table.key(*parts)


def test_a_table_of_an_impossible_form_is_refused() -> None:
    """A text before the last part would be ambiguous; keys are 96 bytes at most."""
    with pytest.raises(Fault, match="not the last"):
        Table(9, 1, "t.x", Row, (text("a"), raw("b", 1)))
    with pytest.raises(Fault, match="over 96 bytes"):
        Table(9, 1, "t.x", Row, (raw("a", 31), text("b")))
    Table(9, 1, "t.x", Row, (raw("a", 30), text("b")))


def test_a_row_is_bounded() -> None:
    """64 KiB with its field's name and header."""
    room = ROW_BYTES_MAX - len(RAW.encode(Row(data=bytes(65_536 - 100)))) + 65_536 - 100
    fitting = Row(data=bytes(room))

    assert ROW_BYTES_MAX == len(RAW.encode(fitting))
    assert fitting == RAW.decode(RAW.encode(fitting))
    with pytest.raises(Fault, match="row over 65536 bytes"):
        RAW.encode(Row(data=bytes(room + 1)))


def test_the_chains_tables_have_prefixes_of_their_own() -> None:
    """No table's rows begin like another's, and none can exceed a key's width."""
    tables = machine().tables

    assert len(tables) == len({table.prefix for table in tables})
    assert len(tables) == len({table.name for table in tables})
    for table in tables:
        assert 2 + sum(part.width or 64 for part in table.parts) <= STATE_KEY_BYTES_MAX
    assert "Table(t.raw, 9/8)" == repr(RAW)
