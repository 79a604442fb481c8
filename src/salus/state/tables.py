"""
Tables: where a row stands in the state and what it holds (`ledger.md` §3.3).

A state key is module u8 ‖ table u8 ‖ the key's parts, big-endian and of fixed width; at most one
part has a variable width, and it stands last. A value is the row's canonical encoding.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Fault, invariant
from salus.base.limits import ROW_BYTES_MAX, STATE_KEY_BYTES_MAX

Row = TypeVar("Row", bound=Struct)

VARIABLE_BYTES_MAX = 64
"""Longest last part of a key whose width is not fixed."""


@dataclass(frozen=True)
class Part:
    """One part of a key: `width` bytes, a number or raw bytes; width 0 is text of 1-64 bytes."""

    name: str
    width: int
    is_number: bool = False


def number(name: str, width: int) -> Part:
    """A big-endian unsigned number of `width` bytes."""
    return Part(name, width, is_number=True)


def raw(name: str, width: int) -> Part:
    """Bytes of a fixed width."""
    return Part(name, width)


def text(name: str) -> Part:
    """Text of 1-64 bytes of UTF-8; only as the last part."""
    return Part(name, 0)


class Table(Generic[Row]):
    """A typed table; every row of it stands under `prefix`."""

    __slots__ = ("_raw_width", "module", "name", "number", "parts", "prefix", "row")

    def __init__(
        self, module: int, number: int, name: str, row: type[Row], parts: tuple[Part, ...] = ()
    ) -> None:
        """`name`: `module.table`; `parts`: none for a table of one row; a wrong form is a Fault."""
        invariant(all(part.width for part in parts[:-1]), f"{name}: its text part is not the last")
        widest = 2 + sum(part.width or VARIABLE_BYTES_MAX for part in parts)
        invariant(widest <= STATE_KEY_BYTES_MAX, f"{name}: keys over {STATE_KEY_BYTES_MAX} bytes")
        self.module = module
        self.number = number
        self.name = name
        self.row = row
        self.parts = parts
        self.prefix = bytes((module, number))
        is_raw = len(parts) == 1 and not parts[0].is_number and parts[0].width > 0
        self._raw_width = parts[0].width if is_raw else -1

    def key(self, *values: int | str | bytes) -> bytes:
        """The state key of one row; a value of another kind or width is a bug of the caller."""
        # Most keys are an id, and a transaction asks for ten: a fifth of the general way's time.
        if len(values) == 1 and type(values[0]) is bytes and len(values[0]) == self._raw_width:
            return self.prefix + values[0]
        if len(values) != len(self.parts):
            raise Fault(f"{self.name}: key of a wrong number of parts")
        key = self.prefix
        for part, value in zip(self.parts, values, strict=True):
            key += _encode_part(self.name, part, value)
        return key

    def split(self, state_key: bytes) -> tuple[int | str | bytes, ...]:
        """The parts of a state key of this table; the inverse of `key`."""
        values: list[int | str | bytes] = []
        at = len(self.prefix)
        for part in self.parts:
            piece = state_key[at : at + part.width] if part.width else state_key[at:]
            at += len(piece)
            values.append(_decode_part(part, piece))
        return tuple(values)

    def decode(self, value: bytes) -> Row:
        """The row of stored bytes; they were canonical when written."""
        row: Row = codec.decode_loose(value, self.row)
        return row

    def encode(self, row: Row) -> bytes:
        """The bytes to store; a row over 64 KiB is a bug of its module."""
        value = codec.encode(row)
        if len(value) > ROW_BYTES_MAX:
            raise Fault(f"{self.name}: row over {ROW_BYTES_MAX} bytes")
        return value

    def __repr__(self) -> str:
        """Name and prefix."""
        return f"Table({self.name}, {self.module}/{self.number})"


def _encode_part(table: str, part: Part, value: int | str | bytes) -> bytes:
    if part.is_number:
        if isinstance(value, int) and value >= 0 and value.bit_length() <= 8 * part.width:
            return value.to_bytes(part.width, "big")
    elif part.width:
        if isinstance(value, bytes) and len(value) == part.width:
            return value
    elif isinstance(value, str) and 0 < len(piece := value.encode()) <= VARIABLE_BYTES_MAX:
        return piece
    raise Fault(f"{table}: key part {part.name} of a wrong kind or width")


def _decode_part(part: Part, piece: bytes) -> int | str | bytes:
    if part.is_number:
        return int.from_bytes(piece, "big")
    return piece if part.width else piece.decode()
