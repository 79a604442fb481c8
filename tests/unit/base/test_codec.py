"""The one encoding: one value, one form of bytes, and no stranger's words in any message."""

import json
import re
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import codec
from salus.base.codec import Malformed, NotCanonical, Struct
from salus.base.types import INT_MAX, U8, Count, Int, Text64
from tests.support.codec_vectors import FOLDER, SCHEMAS, Case, cases, files


class Plain(Struct, frozen=True):
    """Schema `plain` of the vectors."""

    flag: bool
    id: Annotated[bytes, msgspec.Meta(min_length=2, max_length=2)]
    n: Count
    raw: bytes
    t: Text64
    z: Int


class Optional(Struct, frozen=True):
    """Schema `optional`."""

    a: Count
    b: Text64 | None = None


class Many(Struct, frozen=True):
    """Schema `many`."""

    items: list[Optional]
    marks: list[U8]


class First(Struct, frozen=True, tag_field="do", tag="vector.first"):
    """One of schema `kinds`."""

    n: Count


class Second(Struct, frozen=True, tag_field="do", tag="vector.second"):
    """The other."""

    t: Text64


KINDS: dict[str, Any] = {
    "plain": Plain, "optional": Optional, "many": Many, "kinds": First | Second,
}  # fmt: skip
CASES = cases()


def as_json(value: Any) -> Any:
    """A value as the vectors write it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        config = value.__struct_config__
        tag = {} if config.tag is None else {str(config.tag_field): config.tag}
        return {
            **tag, **{name: as_json(one) for name, one in fields.items() if one is not None}
        }  # fmt: skip
    return value


@pytest.mark.parametrize("name", ["schemas.json", "cases.json"])
def test_the_vector_files_are_made_anew_alike(name: str) -> None:
    """At least 500 cases, of both kinds, in a form any language reads."""
    assert files()[name] == (FOLDER / name).read_text()
    assert 500 <= len(json.loads((FOLDER / "cases.json").read_text()))
    assert set(SCHEMAS) == set(KINDS)


@pytest.mark.parametrize("case", [one for one in CASES if "value" in one], ids=lambda c: c["name"])
def test_accepted_bytes_mean_their_value(case: Case) -> None:
    """And the value is encoded as these bytes, no others."""
    data = bytes.fromhex(case["hex"])

    value = codec.decode(data, KINDS[case["schema"]])

    assert case["value"] == as_json(value)
    assert data == codec.encode(value)


@pytest.mark.parametrize(
    "case", [one for one in CASES if "refused" in one], ids=lambda c: c["name"]
)
def test_refused_bytes_are_refused_for_their_reason(case: Case) -> None:
    """Malformed, or well formed in another than the one encoding."""
    data = bytes.fromhex(case["hex"])
    with pytest.raises(Malformed) as refusal:
        codec.decode(data, KINDS[case["schema"]])

    assert ("not canonical" == case["refused"]) == isinstance(refusal.value, NotCanonical)


PLAINS = st.builds(
    Plain,
    flag=st.booleans(),
    id=st.binary(min_size=2, max_size=2),
    n=st.integers(0, INT_MAX),
    raw=st.binary(max_size=300),
    t=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64),
    z=st.integers(-INT_MAX, INT_MAX),
)


@given(PLAINS)
def test_what_is_encoded_is_read_back(value: Plain) -> None:
    """Round trip, both ways."""
    data = codec.encode(value)

    assert value == codec.decode(data, Plain)
    assert data == codec.encode(codec.decode(data, Plain))


@given(st.binary(max_size=80))
def test_no_bytes_have_two_meanings_or_break_out(data: bytes) -> None:
    """Whatever decodes is its own encoding; whatever does not is Malformed, nothing else."""
    for kind in KINDS.values():
        try:
            value = codec.decode(data, kind)
        except Malformed:
            continue
        assert data == codec.encode(value)


@given(PLAINS, st.integers(0), st.integers(0, 255))
def test_an_altered_byte_never_means_the_same(value: Plain, at: int, byte: int) -> None:
    """One byte changed: another value, or refused."""
    data = bytearray(codec.encode(value))
    data[at % len(data)] = byte
    try:
        other = codec.decode(bytes(data), Plain)
    except Malformed:
        return
    assert (bytes(data) == codec.encode(value)) == (other == value)


def test_python_structs_are_encoded_without_their_unset_fields() -> None:
    """Sorted, and None left out."""
    assert b"\x81\xa1a\x01" == codec.encode(Optional(a=1))
    assert b"\x82\xa1a\x01\xa1b\xa1x" == codec.encode(Optional(b="x", a=1))


HOSTILE = {
    "an unknown field": {"a": 1, "secret": 1},
    "a field that looks like a place": {"a": 1, "at `secret": 1},
    "a field that looks like a whole message": {"a": 1, "x` - at `$.secret": 1},
    "a text for a number": {"a": "secret"},
    "a number for a text": {"a": 1, "b": 424_242},
    "a text that breaks its pattern": {"a": 1, "b": "secret\n"},
    "an unknown kind": {"do": "secret.do"},
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_messages_repeat_nothing_a_stranger_sent(value: dict[str, Any]) -> None:
    """A log or an answer would otherwise carry a person's data."""
    kind = KINDS["kinds"] if "do" in value else Optional
    with pytest.raises(Malformed) as refusal:
        codec.decode(msgspec.msgpack.encode(value), kind)

    assert "secret" not in str(refusal.value)
    assert "424" not in str(refusal.value)


def test_messages_name_the_place() -> None:
    """Of the schema's own fields, so that the sender finds it."""
    data = codec.encode({"items": [{"a": 1}, {"a": -1}], "marks": []})
    with pytest.raises(Malformed, match=re.escape("form at $.items[1].a")):
        codec.decode(data, Many)
    with pytest.raises(Malformed, match=re.escape("form at $")):
        codec.decode(b"\x01", Many)
    with pytest.raises(Malformed, match="not MessagePack"):
        codec.decode(b"", Many)


def test_bytes_may_be_read_loosely_by_who_checks_them() -> None:
    """The journal's own records, and forms with their own canonical check."""
    longer = b"\x81\xd9\x01a\x01"

    assert Optional(a=1) == codec.decode_loose(longer, Optional)
    with pytest.raises(NotCanonical):
        codec.decode(longer, Optional)
