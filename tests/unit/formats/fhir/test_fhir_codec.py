"""Bytes to values: exact decimals, bounds before decoding, nothing silently dropped."""

import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base.errors import Category
from salus.formats.fhir import limits
from salus.formats.fhir.codec import parse
from salus.formats.fhir.issues import FhirProblem

MALFORMED = {
    "nothing": b"",
    "no JSON": b"MSH|^~\\&|",
    "cut off": b'{"a":',
    "two values": b"{}{}",
    "a trailing comma": b"[1,]",
    "a comment": b'{"a":1} // note',
    "brackets that do not pair": b"[[]",
    "not UTF-8": b'{"a":"\xff"}',
    "half a surrogate pair": b'{"a":"\\ud800"}',
    "a control character inside a string": b'"\x01"',
    "not a number": b"NaN",
    "a doubled member": b'{"a":1,"a":2}',
    "a doubled member deep inside": b'{"x":[{"a":{"b":1,"c":2,"b":1}}]}',
    "a doubled member written in two ways": b'{"a":1,"\\u0061":2}',
    "an integer of 41 digits": b"1" * 41,
    "an integer of 5,000 digits": b"1" * 5_000,
    "a decimal of 41 digits": b"0." + b"1" * 40,
    "an exponent of 65": b"1e65",
    "an exponent of -65": b"1e-65",
    "an exponent of a million digits": b"1e" + b"9" * 1_000_000,
    "nesting of 100,000 levels, not closed": b'{"a":' * 100_000,
    "UTF-16": "{}".encode("utf-16"),
}

TOO_LARGE = {
    "nesting of 41 levels": b"[" * 41 + b"]" * 41,
    "2,000,001 values": b"[" + b"1," * 2_000_000 + b"1]",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_parse_refuses_malformed(data: bytes) -> None:
    """Whatever is not the JSON we take is one named problem, never another exception."""
    with pytest.raises(FhirProblem) as caught:
        parse(data)

    assert ("BodyMalformed", Category.MALFORMED) == (caught.value.name, caught.value.category)


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_parse_refuses_too_large(data: bytes) -> None:
    """Bombs of structure are measured before anything is decoded."""
    with pytest.raises(FhirProblem) as caught:
        parse(data)

    assert ("TooLarge", Category.TOO_LARGE) == (caught.value.name, caught.value.category)


def test_parse_bounds_bytes_and_strings() -> None:
    """A body has 10 MiB, a string in a larger Bundle 8 MiB."""
    body = b'"' + b"x" * limits.RESOURCE_BYTES_MAX + b'"'
    with pytest.raises(FhirProblem, match="bytes, found"):
        parse(body)
    with pytest.raises(FhirProblem, match="bytes of one string"):
        parse(body, bytes_max=limits.BUNDLE_BYTES_MAX)


def test_parse_takes_what_is_at_the_bound() -> None:
    """40 levels, 40 digits and an exponent of 64 are lawful."""
    assert [Decimal("1" * 39 + ".5"), Decimal("1E+64")] == parse(b"[" + b"1" * 39 + b".5, 1e64]")
    assert isinstance(parse(b"[" * 40 + b"]" * 40), list)


def test_parse_keeps_decimals_as_written() -> None:
    """Precision is clinical information: 72.50 is not 72.5 (FHIR R4 2.24.0.2)."""
    assert "[Decimal('72.50'), Decimal('1.0E+2'), 7]" == repr(parse(b"[72.50, 1.0E2, 7]"))


def test_parse_drops_the_byte_order_mark() -> None:
    """Windows programs write one; it is no part of the value."""
    assert {"a": 1} == parse(b'\xef\xbb\xbf{"a":1}')


def test_parse_is_not_fooled_by_what_strings_hold() -> None:
    """Colons, brackets and escaped quotes inside strings count for nothing."""
    tricky = {'":{[,\\': '\\"', "b\\": ["}]:", "\\\\"], "": "\\\\\\"}

    assert tricky == parse(json.dumps(tricky).encode())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9
    )
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_parse_gives_back_any_value(value: object) -> None:
    """What an encoder wrote is what we read, whatever the strings contain."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)

    assert value == parse(encoded)


@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v, default=str).encode()[:-1]))
def test_parse_knows_only_one_exception(data: bytes) -> None:
    """Garbage and cut values are values or problems, never anything else."""
    with contextlib.suppress(FhirProblem):
        parse(data)
