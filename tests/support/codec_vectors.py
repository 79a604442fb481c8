"""
The encoding's vectors: `python -m tests.support.codec_vectors` writes `tests/vectors/codec/`.

`schemas.json` names four structs and their fields; `cases.json` holds bytes in hex, which schema
they are read by, and either the value they mean or `refused`: `malformed` (they do not decode) or
`not canonical` (they do, but another encoding is the one). Values: bytes as {"hex": …}, all else as
JSON has it; an optional field that is not set is left out. All bytes are written here, by the
MessagePack specification, not by the encoder under test.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salus.base.types import INT_MAX

FOLDER = Path(__file__).parents[1] / "vectors" / "codec"

SCHEMAS = {
    "plain": {
        "flag": {"type": "bool"},
        "id": {"type": "bytes", "least": 2, "most": 2},
        "n": {"type": "int", "least": 0, "most": INT_MAX},
        "raw": {"type": "bytes"},
        "t": {"type": "text", "least": 1, "most": 64},
        "z": {"type": "int", "least": -INT_MAX, "most": INT_MAX},
    },
    "optional": {
        "a": {"type": "int", "least": 0, "most": INT_MAX},
        "b": {"type": "text", "least": 1, "most": 64, "optional": True},
    },
    "many": {"items": {"type": "list", "of": "optional"}, "marks": {"type": "list", "of": "u8"}},
    "kinds": {
        "tag_field": "do",
        "vector.first": {"n": {"type": "int", "least": 0, "most": INT_MAX}},
        "vector.second": {"t": {"type": "text", "least": 1, "most": 64}},
    },
}

Case = dict[str, Any]

EDGES = sorted(
    {
        edge + step
        for bits in (0, 5, 7, 8, 15, 16, 31, 32, 40, 48, 52)
        for edge in (1 << bits, -(1 << bits))
        for step in (-1, 0, 1)
    }
    | {INT_MAX - 1, INT_MAX, -INT_MAX, 1 - INT_MAX}
)
"""Integers around every change of header, and the ends of the range."""

TEXTS = [
    "a", "ab", "x" * 31, "x" * 32, "x" * 64, "é", "e\u0301", "日本", "😀", "\u0080", "\u009f",
    " ", '"', "\\", "/", "\u2028", "\ufeff", "\ue000", "\U0010ffff", "é" * 32, "\u00a0",
]  # fmt: skip

RAWS = [bytes(n) for n in (0, 1, 2, 31, 32, 255, 256)] + [b"\xff", bytes(range(256))]


def header(value: int) -> bytes:
    """The shortest encoding of an integer."""
    return next(integer_forms(value))


def integer_forms(value: int) -> Iterator[bytes]:
    """Every encoding of an integer, the shortest first."""
    if 0 <= value < 128:
        yield bytes([value])
    if -32 <= value < 0:
        yield bytes([value + 256])
    for width, unsigned, signed in (
        (1, 0xCC, 0xD0),
        (2, 0xCD, 0xD1),
        (4, 0xCE, 0xD2),
        (8, 0xCF, 0xD3),
    ):
        if 0 <= value < 1 << 8 * width:
            yield bytes([unsigned]) + value.to_bytes(width, "big")
        if -(1 << 8 * width - 1) <= value < 1 << 8 * width - 1:
            yield bytes([signed]) + value.to_bytes(width, "big", signed=True)


def sized_forms(data: bytes, *, text: bool) -> Iterator[bytes]:
    """Every encoding of a text or of bytes, the shortest first."""
    if text and len(data) < 32:
        yield bytes([0xA0 | len(data)]) + data
    for width, code in (
        (1, 0xD9 if text else 0xC4),
        (2, 0xDA if text else 0xC5),
        (4, 0xDB if text else 0xC6),
    ):
        if len(data) < 1 << 8 * width:
            yield bytes([code]) + len(data).to_bytes(width, "big") + data


def text(value: str) -> bytes:
    """The shortest encoding of a text."""
    return next(sized_forms(value.encode(), text=True))


def raw(value: bytes) -> bytes:
    """The shortest encoding of bytes."""
    return next(sized_forms(value, text=False))


def mapped(*pairs: tuple[str, bytes]) -> bytes:
    """A short map of these pairs, in this order."""
    return bytes([0x80 | len(pairs)]) + b"".join(text(name) + value for name, value in pairs)


def listed(*items: bytes) -> bytes:
    """A list, in its shortest form."""
    short = len(items) < 16
    head = bytes([0x90 | len(items)]) if short else b"\xdc" + len(items).to_bytes(2, "big")
    return head + b"".join(items)


PLAIN = {
    "flag": b"\xc3", "id": raw(b"\x01\x02"), "n": header(7), "raw": raw(b""), "t": text("a"),
    "z": header(-1),
}  # fmt: skip
PLAIN_VALUE: dict[str, Any] = {
    "flag": True, "id": {"hex": "0102"}, "n": 7, "raw": {"hex": ""}, "t": "a", "z": -1,
}  # fmt: skip


def plain(**changes: bytes) -> bytes:
    """A value of schema `plain`; `changes` put other bytes at fields."""
    return mapped(*sorted({**PLAIN, **changes}.items()))


def accepted(name: str, schema: str, data: bytes, value: Any) -> Case:
    """Bytes that are read, and mean this."""
    return {"name": name, "schema": schema, "hex": data.hex(), "value": value}


def refused(name: str, schema: str, data: bytes, why: str = "malformed") -> Case:
    """Bytes that are not."""
    return {"name": name, "schema": schema, "hex": data.hex(), "refused": why}


def cases() -> list[Case]:
    """All of them."""
    made = [*_integers(), *_texts(), *_raws(), *_flags(), *_types(), *_maps(), *_lists(), *_kinds(),
            *_cuts()]  # fmt: skip
    assert len({case["name"] for case in made}) == len(made)
    return made


def _integers() -> Iterator[Case]:
    for value in EDGES:
        inside = -INT_MAX <= value <= INT_MAX
        shortest, *longer = integer_forms(value)
        if inside:
            yield accepted(f"z {value}", "plain", plain(z=shortest), {**PLAIN_VALUE, "z": value})
        for form in longer:
            yield refused(f"z {value} as {form[0]:02x}", "plain", plain(z=form), "not canonical")
        if value < 0:
            yield refused(f"n {value}", "plain", plain(n=shortest))
        else:
            yield accepted(f"n {value}", "plain", plain(n=shortest), {**PLAIN_VALUE, "n": value})
    for value in (INT_MAX + 1, 2**63 - 1, 2**63, 2**64 - 1):
        yield refused(f"z {value}", "plain", plain(z=header(value)))
        yield refused(f"n {value}", "plain", plain(n=header(value)))
    for value in (-INT_MAX - 1, -(2**63)):
        yield refused(f"z {value}", "plain", plain(z=header(value)))


def _texts() -> Iterator[Case]:
    for number, value in enumerate(TEXTS):
        shortest, *longer = sized_forms(value.encode(), text=True)
        yield accepted(f"text {number}", "plain", plain(t=shortest), {**PLAIN_VALUE, "t": value})
        for form in longer:
            yield refused(
                f"text {number} as {form[0]:02x}", "plain", plain(t=form), "not canonical"
            )
    for code in (*range(32), 127):
        yield refused(f"text with U+{code:04X}", "plain", plain(t=text(f"a{chr(code)}b")))
    yield refused("text of no character", "plain", plain(t=text("")))
    yield refused("text of 65 characters", "plain", plain(t=text("x" * 65)))
    broken = {
        "a lone continuation": "80", "a cut character": "c3", "an overlong slash": "c0af",
        "an overlong zero": "c080", "a surrogate": "eda080", "beyond U+10FFFF": "f4908080",
        "byte FF": "ff", "UTF-16": "feff0061",
    }  # fmt: skip
    for name, data in broken.items():
        form = next(sized_forms(bytes.fromhex(data), text=True))
        yield refused(f"text: {name}", "plain", plain(t=form))


def _raws() -> Iterator[Case]:
    for number, value in enumerate(RAWS):
        shortest, *longer = sized_forms(value, text=False)
        meant = {**PLAIN_VALUE, "raw": {"hex": value.hex()}}
        yield accepted(f"bytes {number}", "plain", plain(raw=shortest), meant)
        for form in longer:
            yield refused(
                f"bytes {number} as {form[0]:02x}", "plain", plain(raw=form), "not canonical"
            )
    for length in (0, 1, 3):
        yield refused(f"id of {length} bytes", "plain", plain(id=raw(bytes(length))))


def _flags() -> Iterator[Case]:
    yield accepted("false", "plain", plain(flag=b"\xc2"), {**PLAIN_VALUE, "flag": False})


STRANGE = {
    "nil": b"\xc0", "the unused byte": b"\xc1", "true": b"\xc3", "zero": b"\x00", "one": b"\x01",
    "minus one": b"\xff", "float32 1": b"\xca\x3f\x80\x00\x00",
    "float64 1": b"\xcb\x3f\xf0" + bytes(6), "float64 0": b"\xcb" + bytes(8),
    "float64 NaN": b"\xcb\x7f\xf8" + bytes(6), "text": b"\xa1a", "digits": b"\xa17",
    "bytes": b"\xc4\x01a", "two bytes": b"\xc4\x02ab", "a list": b"\x90", "a map": b"\x80",
    "fixext1": b"\xd4\x01a", "a timestamp": b"\xd6\xff" + bytes(4), "ext8": b"\xc7\x01\x05a",
    "ext16": b"\xc8\x00\x01\x05a", "ext32": b"\xc9\x00\x00\x00\x01\x05a",
}  # fmt: skip
FITTING = {
    "flag": {"true"}, "id": {"two bytes"}, "n": {"zero", "one"},
    "raw": {"bytes", "two bytes"}, "t": {"text", "digits"}, "z": {"zero", "one", "minus one"},
}  # fmt: skip


def _types() -> Iterator[Case]:
    """Every kind of value at every field it does not fit."""
    for field, fits in FITTING.items():
        for name, data in STRANGE.items():
            if name not in fits:
                yield refused(f"{name} as {field}", "plain", plain(**{field: data}))


def _maps() -> Iterator[Case]:
    a, b = ("a", header(1)), ("b", text("x"))
    yield accepted("both fields", "optional", mapped(a, b), {"a": 1, "b": "x"})
    yield accepted("the optional one left out", "optional", mapped(a), {"a": 1})
    yield refused(
        "nil for what can be left out", "optional", mapped(a, ("b", b"\xc0")), "not canonical"
    )
    yield refused("fields in another order", "optional", mapped(b, a), "not canonical")
    yield refused("a field twice", "optional", mapped(a, a), "not canonical")
    yield refused(
        "a field twice, two values", "optional", mapped(("a", header(2)), a, b), "not canonical"
    )
    yield refused("no field", "optional", mapped())
    yield refused("a field missing", "optional", mapped(b))
    yield refused("a field too many", "optional", mapped(a, b, ("c", header(1))))
    yield refused("an unknown field alone", "optional", mapped(("c", header(1))))
    yield refused("a field's name in capitals", "optional", mapped(("A", header(1))))
    yield refused("a field's name as bytes", "optional", b"\x81\xc4\x01a\x01")
    yield refused("a field's name as a number", "optional", b"\x81\x01\x01")
    yield refused("a long name header", "optional", b"\x81\xd9\x01a\x01", "not canonical")
    yield refused("map16", "optional", b"\xde\x00\x01\xa1a\x01", "not canonical")
    yield refused("map32", "optional", b"\xdf\x00\x00\x00\x01\xa1a\x01", "not canonical")
    yield refused("a list of the values", "optional", listed(header(1), text("x")))
    yield refused("bytes left over", "optional", mapped(a) + b"\x00")
    yield refused("a second value", "optional", mapped(a) * 2)
    yield refused("a map that promises more", "optional", b"\x82\xa1a\x01")
    yield refused("a map of 2^32 - 1", "optional", b"\xdf\xff\xff\xff\xff\xa1a\x01")
    for name, data in STRANGE.items():
        if name != "a map":
            yield refused(f"{name} as a struct", "optional", data)


def _lists() -> Iterator[Case]:
    one = mapped(("a", header(1)))
    for count in (0, 1, 2, 15, 16, 17, 40):
        marks = listed(*[header(n % 256) for n in range(count)])
        data = mapped(("items", listed(*[one] * count)), ("marks", marks))
        value = {"items": [{"a": 1}] * count, "marks": [n % 256 for n in range(count)]}
        yield accepted(f"lists of {count}", "many", data, value)
    empty = ("items", listed())
    yield refused(
        "array16 of none", "many", mapped(empty, ("marks", b"\xdc\x00\x00")), "not canonical"
    )
    yield refused(
        "array32 of one",
        "many",
        mapped(empty, ("marks", b"\xdd\x00\x00\x00\x01\x07")),
        "not canonical",
    )
    yield refused("a mark of 256", "many", mapped(empty, ("marks", listed(header(256)))))
    yield refused("a mark of -1", "many", mapped(empty, ("marks", listed(header(-1)))))
    yield refused("a nil among marks", "many", mapped(empty, ("marks", listed(b"\xc0"))))
    yield refused(
        "a mark as uint16",
        "many",
        mapped(empty, ("marks", listed(b"\xcd\x00\x07"))),
        "not canonical",
    )
    yield refused("a list that promises more", "many", mapped(empty, ("marks", b"\x92\x07")))
    yield refused("a list of 2^32 - 1", "many", mapped(empty, ("marks", b"\xdd\xff\xff\xff\xff")))
    yield refused("a map for a list", "many", mapped(empty, ("marks", b"\x80")))
    unsorted = b"\x82\xa1b\xa1x\xa1a\x01"
    turned = mapped(("items", listed(unsorted)), ("marks", listed()))
    yield refused("an inner map in another order", "many", turned, "not canonical")
    yield refused(
        "nested deep", "many", mapped(("items", b"\x91" * 500 + b"\x90"), ("marks", listed()))
    )


def _kinds() -> Iterator[Case]:
    first, second = ("do", text("vector.first")), ("do", text("vector.second"))
    yield accepted(
        "the first kind", "kinds", mapped(first, ("n", header(1))), {"do": "vector.first", "n": 1}
    )
    yield accepted(
        "the second kind",
        "kinds",
        mapped(second, ("t", text("x"))),
        {"do": "vector.second", "t": "x"},
    )
    yield refused("the kind last", "kinds", mapped(("n", header(1)), first), "not canonical")
    yield refused("no kind", "kinds", mapped(("n", header(1))))
    yield refused(
        "an unknown kind", "kinds", mapped(("do", text("vector.third")), ("n", header(1)))
    )
    yield refused(
        "a kind that is bytes", "kinds", mapped(("do", raw(b"vector.first")), ("n", header(1)))
    )
    yield refused("another kind's field", "kinds", mapped(first, ("t", text("x"))))
    yield refused(
        "a kind's name in capitals", "kinds", mapped(("do", text("Vector.first")), ("n", header(1)))
    )
    yield refused("two kinds", "kinds", mapped(first, second, ("n", header(1))))


def _cuts() -> Iterator[Case]:
    whole = plain(raw=raw(b"abc"), t=text("é"), n=header(70_000), z=header(-40_000))
    for length in range(len(whole)):
        yield refused(f"cut after {length} bytes", "plain", whole[:length])


def files() -> dict[str, str]:
    """Name -> contents."""
    return {
        "schemas.json": json.dumps(SCHEMAS, indent=1) + "\n",
        "cases.json": "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n",
    }


if __name__ == "__main__":
    for name, contents in files().items():
        (FOLDER / name).write_text(contents)
