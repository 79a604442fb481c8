"""
The one encoding: canonical MessagePack (`ledger.md` §3.1).

- A struct is a map of its field names, sorted bytewise; an unset optional field is left out.
- Bytes that decode but differ from their own re-encoding are refused: one value, one encoding.
- Any decoder error is `Malformed`; what is well-formed but not canonical is `NotCanonical`.
"""

import re
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ENCODER = msgspec.msgpack.Encoder(order="sorted")

_UNKNOWN_FIELD = "Object contains unknown field"
"""How msgspec begins when a stranger's own word, which can look like a place, would follow."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of every value in consensus bytes; the only default a field may have is None."""


class Malformed(Exception):
    """The bytes do not decode as the type asked for; the text names the place, never a value."""


class NotCanonical(Malformed):
    """The bytes decode, but are not the one encoding of what they hold."""


def encode(value: object) -> bytes:
    """Encode a value canonically."""
    return _ENCODER.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode and check that `data` is canonical; raises `Malformed`, `NotCanonical`."""
    value: T = decode_loose(data, kind)
    if _ENCODER.encode(value) != data:
        raise NotCanonical("the bytes are not the canonical encoding of their value")
    return value


def decode_loose(data: bytes, kind: Any) -> Any:
    """
    Decode without the canonical check, for callers that make it themselves.

    msgspec also lets UnicodeDecodeError and RecursionError through on hostile input
    (`security.md` §8): all are the one refusal of their place.
    """
    try:
        return _decoder(kind).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Malformed(_place(error)) from None


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def _place(error: Exception) -> str:
    """The place alone: msgspec's own words may repeat what a stranger sent."""
    if isinstance(error, msgspec.ValidationError):
        words = str(error)
        if words.startswith(_UNKNOWN_FIELD):
            return "expected the documented fields, found another"
        found = re.search(r" at `([$.\[\]\w]{1,200})`$", words)
        return f"expected the documented form at {found[1] if found else '$'}"
    return f"not MessagePack of the expected form ({type(error).__name__})"
