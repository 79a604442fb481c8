"""
Protobuf by hand: the few kinds of field CometBFT hashes and signs, in their one canonical form.

Protobuf lets one value be written in many ways; hashes and signatures do not. So `read` takes what
CometBFT itself writes and nothing else: fields in order, shortest numbers, nothing that is zero or
empty, nothing unknown. Whatever it accepts, the writers here give again byte for byte.

Source: protobuf.dev, "Encoding"; CometBFT v0.39, `spec/core/encoding.md`.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

NUMBER_MAX = 2**63 - 1
"""CometBFT's numbers are int64; none that a proof needs is negative."""


class WireRefused(Exception):
    """The bytes are not the one form of their message; the text says how, never what they hold."""


class Kind(enum.Enum):
    """What a message's field holds."""

    NUMBER = 0
    """A varint of 0 to 2^63 - 1; 0 is left out."""

    BYTES = 2
    """A string, bytes or a message; an empty one is left out."""

    REPEATED = 3
    """Any number of BYTES, one after another."""


@dataclass(frozen=True)
class Fields:
    """A message's fields by number; what was left out is 0 or empty."""

    numbers: dict[int, int] = field(default_factory=dict)
    parts: dict[int, list[bytes]] = field(default_factory=dict)

    def number(self, at: int) -> int:
        """Value of a NUMBER."""
        return self.numbers.get(at, 0)

    def part(self, at: int) -> bytes:
        """Value of BYTES."""
        return self.parts.get(at, [b""])[0]

    def all(self, at: int) -> list[bytes]:
        """Values of a REPEATED field, in order."""
        return self.parts.get(at, [])


def read(data: bytes, shape: Mapping[int, Kind]) -> Fields:
    """
    Read a message of that shape (field number -> kind).

    Raises WireRefused: a number in another form, an unknown field or wire type, fields out of order
    or repeated, one that is zero or empty, an end inside a field.
    """
    fields, at, last = Fields(), 0, 0
    while at < len(data):
        tag, at = _number(data, at)
        name, wire_type = tag >> 3, tag & 7
        kind = shape.get(name)
        if kind is None or wire_type != (0 if kind is Kind.NUMBER else 2):
            raise WireRefused("a field its message does not have")
        if name < last or (name == last and kind is not Kind.REPEATED):
            raise WireRefused("fields out of order or repeated")
        value, at = _number(data, at)
        if value == 0:
            raise WireRefused("a field that is zero or empty, which is left out")
        if kind is Kind.NUMBER:
            fields.numbers[name] = value
        elif value > len(data) - at:
            raise WireRefused("an end inside a field")
        else:
            fields.parts.setdefault(name, []).append(data[at : at + value])
            at += value
        last = name
    return fields


def number(at: int, value: int) -> bytes:
    """A NUMBER field; nothing for 0."""
    return _varint(at << 3) + _varint(value) if value else b""


def part(at: int, value: bytes) -> bytes:
    """A BYTES field; nothing if empty."""
    return _varint(at << 3 | 2) + _varint(len(value)) + value if value else b""


def fixed(at: int, value: int) -> bytes:
    """A number of always eight bytes (`sfixed64`), little-endian; nothing for 0."""
    return _varint(at << 3 | 1) + value.to_bytes(8, "little") if value else b""


def delimited(message: bytes) -> bytes:
    """A message with its length before it."""
    return _varint(len(message)) + message


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The varint at a place, and the place after it."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if (byte == 0 and shift > 7) or value > NUMBER_MAX:
                break
            return value, at
        if shift > 63:
            break
    raise WireRefused("a number that is cut, too large or not in its shortest form")
