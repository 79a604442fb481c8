"""
One record's plaintext: packed, padded, and taken apart within bounds (`patient-control.md` §3.5).

    plaintext = u8 method ‖ plain length u32 ‖ packed length u32 ‖ packed ‖ zeros to the Padmé size
    plain     = meta length u32 ‖ meta ‖ body

`meta` is canonical MessagePack, `body` the document's exact bytes. Inflating stops at the stated
length and at a ratio of 100, so a small blob cannot fill a reader's memory.
"""

import zlib
from typing import Annotated

import msgspec

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import u8, u32
from salus.base.limits import INFLATE_RATIO_MAX, RECORD_BYTES_MAX
from salus.base.sealing import padme_bytes
from salus.base.types import U16, Id16

RAW = 0
"""Packed is plain."""

DEFLATE = 1
"""Packed is a raw DEFLATE stream (RFC 1951)."""

_HEAD_BYTES = 9
_RAW_DEFLATE_WBITS = -15
_LEVEL = 6

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""A code, type or id of the outside world."""


class Meta(Struct, frozen=True):
    """What a reader must know of a record before its body; sealed with it."""

    type: Word
    """FHIR resource type, or another kind of document."""

    id: Word
    """The record's id at its author."""

    labels: Annotated[list[Word], msgspec.Meta(max_length=64)]
    """Security labels, sorted, each once; readers check them again after opening."""

    day: U16
    """Clinical day number, as written or the first day of a partial date."""

    practitioner: Id16 | None = None
    """Credential of the person who wrote or signed it."""

    language: Word | None = None
    """BCP 47 tag."""

    replaces: Id16 | None = None
    """Record id this one stands in for."""


def pack_record(meta: bytes, body: bytes) -> bytes:
    """
    Pack and pad a record; the result is encrypted as it is.

    Raises Problem RecordTooLarge: meta and body beyond `RECORD_BYTES_MAX`.
    """
    plain = u32(len(meta)) + meta + body
    if len(plain) > RECORD_BYTES_MAX:
        raise Problem(
            Category.TOO_LARGE,
            "RecordTooLarge",
            f"{len(plain)} bytes; expected at most {RECORD_BYTES_MAX}: store it as a vault file",
        )
    method, packed = DEFLATE, _deflate(plain)
    if not len(packed) < len(plain) <= INFLATE_RATIO_MAX * len(packed):
        method, packed = RAW, plain
    data = u8(method) + u32(len(plain)) + u32(len(packed)) + packed
    return data.ljust(padme_bytes(len(data)), b"\x00")


def unpack_record(data: bytes) -> tuple[bytes, bytes]:
    """
    Take a record's plaintext apart into meta and body.

    Raises Problem RecordMalformed: lengths, method, stream or padding are not as `pack_record`
    writes them, or the stated length is beyond the bounds.
    """
    if len(data) < _HEAD_BYTES:
        raise _malformed("a head of 9 bytes")
    method = data[0]
    plain_bytes = int.from_bytes(data[1:5], "big")
    packed_end = _HEAD_BYTES + int.from_bytes(data[5:9], "big")
    packed = data[_HEAD_BYTES:packed_end]
    if len(data) != padme_bytes(packed_end) or data.count(0, packed_end) != len(data) - packed_end:
        raise _malformed("zeros up to the padded size")
    if plain_bytes > min(RECORD_BYTES_MAX, INFLATE_RATIO_MAX * len(packed)):
        raise _malformed("a plain length within 10 MiB and 100 times the packed one")
    plain = _plain(method, packed, plain_bytes)
    body_at = 4 + int.from_bytes(plain[:4], "big")
    if len(plain) < body_at:
        raise _malformed("a meta inside the plaintext")
    return plain[4:body_at], plain[body_at:]


def meta_of(data: bytes) -> Meta:
    """Decode a record's meta; raises Problem RecordMalformed."""
    try:
        return codec.decode(data, Meta)
    except codec.Malformed:
        raise _malformed("a canonical meta") from None


def _plain(method: int, packed: bytes, plain_bytes: int) -> bytes:
    plain = _inflate(packed, plain_bytes) if method == DEFLATE else packed
    if method not in (RAW, DEFLATE) or len(plain) != plain_bytes:
        raise _malformed("a known method and the stated length")
    return plain


def _deflate(plain: bytes) -> bytes:
    return zlib.compress(plain, _LEVEL, _RAW_DEFLATE_WBITS)


def _inflate(packed: bytes, plain_bytes: int) -> bytes:
    stream = zlib.decompressobj(_RAW_DEFLATE_WBITS)
    try:
        plain = stream.decompress(packed, plain_bytes + 1)
    except zlib.error:
        raise _malformed("a DEFLATE stream") from None
    if not stream.eof or stream.unused_data:
        raise _malformed("a DEFLATE stream that ends where it says")
    return plain


def _malformed(expected: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "RecordMalformed",
        f"the record's plaintext is not as written: expected {expected}; report its author",
    )
