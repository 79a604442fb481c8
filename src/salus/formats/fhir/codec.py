"""
JSON bytes to values, bounded, with decimals exact and nothing silently dropped.

1. Before decoding, strings are cut out and the rest is measured: nodes and depth.
2. Decoding keeps decimals as written (`72.50` stays `72.50`, FHIR R4 2.24.0.2).
3. A decoder keeps the last of two members with one name; who sent the first would never
   know it was lost. So colons outside strings must equal the members of the result.
"""

import re
from decimal import Decimal

import msgspec

from salus.formats.fhir.issues import FhirProblem, malformed, too_large
from salus.formats.fhir.limits import (
    DEPTH_MAX,
    EXPONENT_MAX,
    NODES_MAX,
    NUMBER_DIGITS_MAX,
    RESOURCE_BYTES_MAX,
    STRING_BYTES_MAX,
)

BOM = b"\xef\xbb\xbf"

_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (NUMBER_DIGITS_MAX + 1))
_BRACKETS = bytes.maketrans(b"[{]}", b"(())")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(data: bytes, *, bytes_max: int = RESOURCE_BYTES_MAX) -> object:
    """
    Decode one JSON value: dict, list, str, int, Decimal, bool or None; O(n).

    Raises `FhirProblem`, in this order: TooLarge (bytes, a string, nodes, depth),
    BodyMalformed (a number, the JSON, a doubled member).
    """
    if len(data) > bytes_max:
        raise too_large("bytes", bytes_max, len(data))
    skeleton = _skeleton(data)
    _check_size(skeleton)
    if _LONG_NUMBER.search(skeleton):
        raise _number_problem()
    value = _decode(data.removeprefix(BOM))
    if skeleton.count(b":") != _members(value):
        raise malformed("each member name once in an object")
    return value


def _skeleton(data: bytes) -> bytes:
    """All that stands outside strings, but blanks; of malformed JSON, something no longer."""
    plain = data
    if b"\\" in data:
        # Runs of backslashes pair up from the left, so what is then left before a quote
        # escapes it.
        plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = plain.split(b'"')
    if len(data) > STRING_BYTES_MAX:
        longest = max(map(len, parts[1::2]), default=0)
        if longest > STRING_BYTES_MAX:
            raise too_large("bytes of one string", STRING_BYTES_MAX, longest)
    return b"".join(parts[::2]).translate(None, b" \t\r\n")


def _check_size(skeleton: bytes) -> None:
    nodes = skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{")
    if nodes > NODES_MAX:
        raise too_large("JSON values", NODES_MAX, nodes)
    # Each round takes away the innermost pairs, so there are as many rounds as levels.
    brackets = skeleton.translate(_BRACKETS, _NOT_BRACKETS)
    depth = 0
    while brackets:
        depth += 1
        if depth > DEPTH_MAX:
            raise too_large("levels of nesting", DEPTH_MAX, depth)
        inner = brackets.replace(b"()", b"")
        if len(inner) == len(brackets):
            raise malformed("as many closing as opening brackets")
        brackets = inner


def _decode(data: bytes) -> object:
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The decoder's own text may quote the input, so it is not passed on.
        raise malformed("one JSON value in UTF-8") from None


def _decimal(text: str) -> Decimal:
    """Hold a number exactly as written, trailing zeros included."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa.lstrip("-").replace(".", "")) > NUMBER_DIGITS_MAX:
        raise _number_problem()
    # Two digits suffice for a lawful exponent; int() of a million of them would be slow.
    if exponent and (len(exponent) > _EXPONENT_TEXT_MAX or abs(int(exponent)) > EXPONENT_MAX):
        raise _number_problem()
    return Decimal(text)


_EXPONENT_TEXT_MAX = len(f"+{EXPONENT_MAX}")
_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def _members(value: object) -> int:
    """Members of all objects inside."""
    count = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            count += len(item)
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)
    return count


def _number_problem() -> FhirProblem:
    return malformed(
        f"numbers of at most {NUMBER_DIGITS_MAX} digits and exponents within ±{EXPONENT_MAX}"
    )
