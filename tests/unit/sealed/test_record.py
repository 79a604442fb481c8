"""A record's plaintext comes back whole, and a hostile one fills no memory."""

import contextlib
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import codec
from salus.base.errors import Problem
from salus.base.limits import RECORD_BYTES_MAX
from salus.base.sealing import padme_bytes
from salus.sealed.record import Meta, meta_of, pack_record, unpack_record

BODIES = st.one_of(
    st.binary(max_size=2_000), st.integers(0, 50_000).map(bytes), st.text().map(str.encode)
)


def plaintext(method: int, plain_bytes: int, packed: bytes) -> bytes:
    """Lay a plaintext out with whatever lengths."""
    head = bytes([method]) + plain_bytes.to_bytes(4, "big") + len(packed).to_bytes(4, "big")
    data = head + packed
    return data.ljust(padme_bytes(len(data)), b"\x00")


def deflated(plain: bytes) -> bytes:
    """A raw DEFLATE stream."""
    return zlib.compress(plain, 9, -15)


@given(st.binary(max_size=300), BODIES)
def test_a_record_comes_back(meta: bytes, body: bytes) -> None:
    """Any meta and body come back, padded to a Padmé size, also where they compress too well."""
    packed = pack_record(meta, body)

    assert (meta, body) == unpack_record(packed)
    assert len(packed) == padme_bytes(len(packed)) >= 256


def test_a_record_has_an_end() -> None:
    """10 MiB with meta and its length; one byte more is refused before sealing."""
    body = os.urandom(RECORD_BYTES_MAX - 4)

    assert (b"", body) == unpack_record(pack_record(b"", body))
    with pytest.raises(Problem, match="RecordTooLarge"):
        pack_record(b"", body + b"x")


PLAIN = b"\x00\x00\x00\x01m" + b"body" * 20
MALFORMED = {
    "nothing": b"",
    "no padding": plaintext(0, len(PLAIN), PLAIN)[:-1],
    "more padding than due": plaintext(0, len(PLAIN), PLAIN) + bytes(16),
    "padding that says something": plaintext(0, len(PLAIN), PLAIN)[:-1] + b"\x01",
    "an unknown method": plaintext(2, len(PLAIN), PLAIN),
    "a stated length too long": plaintext(0, len(PLAIN) + 1, PLAIN),
    "a stated length too short": plaintext(1, len(PLAIN) - 1, deflated(PLAIN)),
    "no stream": plaintext(1, len(PLAIN), PLAIN),
    "a stream cut short": plaintext(1, len(PLAIN), deflated(PLAIN)[:-2]),
    "something behind the stream": plaintext(1, len(PLAIN), deflated(PLAIN) + b"x"),
    "a ratio above 100": plaintext(1, 1_000_004, deflated(bytes(1_000_004))),
    "a length above 10 MiB": plaintext(1, RECORD_BYTES_MAX + 1, bytes(200_000)),
    "a meta beyond the end": plaintext(0, 5, b"\x00\x00\x00\x02m"),
    "no meta length": plaintext(0, 2, b"\x00\x00"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_plaintext_is_refused(data: bytes) -> None:
    """Each deviation gets the one named answer."""
    with pytest.raises(Problem, match="RecordMalformed"):
        unpack_record(data)


def test_a_bomb_fills_no_memory() -> None:
    """A stream of 100 MB behind a small stated length stops at that length."""
    bomb = plaintext(1, 1_000, deflated(bytes(100_000_000)))
    tracemalloc.start()
    with pytest.raises(Problem, match="RecordMalformed"):
        unpack_record(bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 2_000_000


@given(st.binary(max_size=600))
def test_random_plaintexts_raise_nothing_else(data: bytes) -> None:
    """Whatever comes, the answer is a record or the named refusal."""
    with contextlib.suppress(Problem):
        unpack_record(data)


def test_meta_is_canonical() -> None:
    """A meta has one encoding; unset fields are left out, unknown ones refused."""
    meta = Meta(type="Observation", id="o1", labels=["HIV", "R"], day=46_346)

    assert meta == meta_of(codec.encode(meta))
    for data in (codec.encode(meta) + b"\x00", codec.encode({"type": "Observation"}), b""):
        with pytest.raises(Problem, match="RecordMalformed"):
            meta_of(data)
