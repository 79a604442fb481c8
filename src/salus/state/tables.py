"""
Tables: where a row stands in the state and what it holds (`ledger.md` §3.3).

A state key is module u8 ‖ table u8 ‖ the key's parts, big-endian and of fixed width; at most one
part has a variable width, and it stands last. A value is the row's canonical encoding.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import invariant
from salus.base.limits import ROW_BYTES_MAX

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

    __slots__ = ("module", "name", "number", "parts", "prefix", "row")

    def __init__(
        self, module: int, number: int, name: str, row: type[Row], parts: tuple[Part, ...] = ()
    ) -> None:
        """`name`: `module.table`; `parts`: none for a table of one row."""
        self.module = module
        self.number = number
        self.name = name
        self.row = row
        self.parts = parts
        self.prefix = bytes((module, number))

    def key(self, *values: int | str | bytes) -> bytes:
        """The state key of one row; a value of another width is a bug of the caller."""
        if len(values) == 1 and not self.parts[0].is_number and self.parts[0].width:
            value = values[0]
            invariant(len(value) == self.parts[0].width, f"{self.name}: key of a wrong width")  # type: ignore[arg-type]  # bytes here
            return self.prefix + value  # type: ignore[operator]  # as above
        invariant(len(values) == len(self.parts), f"{self.name}: key of a wrong number of parts")
        return self.prefix + b"".join(
            _encode_part(self.name, part, value)
            for part, value in zip(self.parts, values, strict=True)
        )

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
        invariant(len(value) <= ROW_BYTES_MAX, f"{self.name}: row over {ROW_BYTES_MAX} bytes")
        return value

    def __repr__(self) -> str:
        """Name and prefix."""
        return f"Table({self.name}, {self.module}/{self.number})"


def _encode_part(table: str, part: Part, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(part.width, "big")
    piece = value.encode() if isinstance(value, str) else value
    fits = len(piece) == part.width if part.width else 0 < len(piece) <= VARIABLE_BYTES_MAX
    invariant(fits, f"{table}: key part {part.name} of a wrong width")
    return piece


def _decode_part(part: Part, piece: bytes) -> int | str | bytes:
    if part.is_number:
        return int.from_bytes(piece, "big")
    return piece if part.width else piece.decode()
