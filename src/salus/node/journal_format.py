"""
The journal's bytes: segment headers and records, made and checked (`ledger.md` §3.5).

All integers are big-endian. Nothing here touches a disk or knows a file's name.

    segment header, 128 B                            record, 8-byte aligned
    0   `SALUSJ2` and a newline                      0   `REC1`
    8   network id, 32 B                             4   stored length u32
    40  first height u64                             8   flags u32; bit 0: zstd
    48  chain value before it, 32 B                  12  CRC-32 over salt ‖ 4–11 ‖ 16 to the end
    80  salt, 8 random bytes                         16  height u64; plain length u64
    88  length of the file u64; zeros                32  chain value, 32 B
    124 CRC-32 of bytes 0–123                        64  stored payload; zeros to 8 bytes

The chain value is SHA-256(D("journal") ‖ chain value before ‖ plain payload). The salt is in every
CRC, so that no transaction can hold bytes that pass for a record. The length is stated, so that
whoever reads a folder needs no setting to know a file that was cut (`ADR 0022`).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import zstandard

from salus.base.errors import invariant
from salus.base.hashing import domain_hash

SEGMENT_MAGIC = b"SALUSJ2\n"
RECORD_MAGIC = b"REC1"
SEGMENT_HEADER_BYTES = 128
RECORD_HEADER_BYTES = 64
SECTOR_BYTES = 512
"""The smallest part of a write that a disk keeps or loses whole."""

PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
"""A plain payload: a full block of 4 MiB, its results, and room; bounds what zstd may unpack."""

ZSTD_LEVEL = 1
FLAG_ZSTD = 1

_SEGMENT = struct.Struct(">8s32sQ32s8sQ28x")
_RECORD = struct.Struct(">4sIIIQQ32s")


class Unsound(Exception):
    """Bytes that are no lawful header or record; the caller adds where they lie."""

    def __init__(self, expected: str, found: str) -> None:
        """Say what should be there, and what is."""
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


class OtherFormat(Unsound):
    """A whole header, written by another version of this program."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself."""

    network: bytes
    """Network id; 32 B."""

    first_height: int
    """Height of the segment's first record."""

    chain_before: bytes
    """Chain value before that record; 32 B, zeros for the journal's first."""

    salt: bytes
    """8 random bytes."""

    segment_bytes: int
    """Length of the segment's file, from the day it is made."""


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """A record's header, after its CRC was found right."""

    height: int
    flags: int
    stored_bytes: int
    plain_bytes: int
    chain: bytes

    @property
    def record_bytes(self) -> int:
        """Length of the whole record, a multiple of 8."""
        return _padded(RECORD_HEADER_BYTES + self.stored_bytes)


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The 128 bytes a segment starts with."""
    body = _SEGMENT.pack(
        SEGMENT_MAGIC,
        header.network,
        header.first_height,
        header.chain_before,
        header.salt,
        header.segment_bytes,
    )
    return body + crc32(body).to_bytes(4, "big")


def decode_segment_header(data: bytes) -> SegmentHeader:
    """Read the first 128 bytes of a segment; raises Unsound: length, CRC, OtherFormat, zeros."""
    body = data[: SEGMENT_HEADER_BYTES - 4]
    if len(data) < SEGMENT_HEADER_BYTES:
        raise Unsound(f"a segment header of {SEGMENT_HEADER_BYTES} bytes", f"{len(data)} bytes")
    if crc32(body) != int.from_bytes(data[len(body) : SEGMENT_HEADER_BYTES], "big"):
        raise Unsound("a segment header whose CRC fits", "another CRC")
    magic, network, first_height, chain_before, salt, segment_bytes = _SEGMENT.unpack(body)
    if magic != SEGMENT_MAGIC:
        raise OtherFormat("a segment header of format SALUSJ2", magic.decode("ascii", "replace"))
    if any(body[96:]):
        raise Unsound("zeros after a segment header's fields", "other bytes")
    return SegmentHeader(network, first_height, chain_before, salt, segment_bytes)


def encode_record(
    height: int, payload: bytes, chain_before: bytes, salt: bytes, at: int
) -> tuple[bytes, bytes]:
    """
    The record's bytes, to be written at offset `at`, and the new chain value.

    Of the lawful ways to store a payload the first is taken that leaves no sector blank: then a
    blank sector proves that a part was never written (`is_torn`).
    """
    invariant(len(payload) <= PAYLOAD_BYTES_MAX, "a journal payload must not exceed 16 MiB")
    chain = domain_hash("journal", chain_before, payload)
    record = b""
    for flags, stored in _stored_forms(payload):
        head = _RECORD.pack(RECORD_MAGIC, len(stored), flags, 0, height, len(payload), chain)
        record = head + stored + bytes(-len(stored) % 8)
        record = head[:12] + _crc(record, len(stored), salt) + record[16:]
        if not has_blank_sector(record, at):
            break
    return record, chain


def decode_record_header(data: memoryview, salt: bytes) -> RecordHeader:
    """
    Check the record that `data` starts with, all but chain and payload's plain form.

    Raises Unsound, in this order: room for a header, magic, room for the payload, CRC, flags,
    padding.
    """
    if len(data) < RECORD_HEADER_BYTES:
        raise Unsound("a record header of 64 bytes", f"{len(data)} bytes")
    magic, stored_bytes, flags, crc, height, plain_bytes, chain = _RECORD.unpack_from(data)
    if magic != RECORD_MAGIC:
        raise Unsound("a record's magic REC1", f"bytes {magic.hex()}")
    end = RECORD_HEADER_BYTES + stored_bytes
    if _padded(end) > len(data):
        raise Unsound(f"at most {len(data)} bytes to the segment's end", f"a record of {end}")
    if _crc(data, stored_bytes, salt) != crc.to_bytes(4, "big"):
        raise Unsound("a record whose CRC fits", "another CRC")
    if flags not in (0, FLAG_ZSTD):
        raise Unsound("flags 0 or 1", f"flags {flags}")
    if any(data[end : _padded(end)]):
        raise Unsound("zeros after the payload", "other bytes")
    return RecordHeader(height, flags, stored_bytes, plain_bytes, chain)


def decode_payload(data: memoryview, header: RecordHeader, chain_before: bytes) -> bytes:
    """
    The plain payload of the record that `data` starts with.

    Raises Unsound, in this order: plain length over the bound, zstd frame, plain length, chain.
    """
    if header.plain_bytes > PAYLOAD_BYTES_MAX:
        raise Unsound(f"a payload of at most {PAYLOAD_BYTES_MAX} bytes", f"{header.plain_bytes}")
    payload = bytes(data[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + header.stored_bytes])
    if header.flags & FLAG_ZSTD:
        payload = _unpacked(payload, header.plain_bytes)
    if len(payload) != header.plain_bytes:
        raise Unsound(f"a payload of {header.plain_bytes} bytes", f"{len(payload)}")
    if domain_hash("journal", chain_before, payload) != header.chain:
        raise Unsound("the chain value of this payload after the one before", "another value")
    return payload


def is_torn(tail: memoryview, written_bytes: int, salt: bytes, at: int) -> bool:
    """
    Whether the bad record that `tail` starts with, at offset `at`, was never wholly written.

    `written_bytes`: length of `tail` up to its last byte that is not zero. The proof is a sector of
    zeros in a place where a whole record has none (`corrections.md` 17). A record that is whole
    but for a damaged length field is not torn, nor is one with something behind its end.
    """
    end = written_bytes
    if tail[:4] == RECORD_MAGIC:
        end = _padded(RECORD_HEADER_BYTES + int.from_bytes(tail[4:8], "big"))
        if not written_bytes <= end <= len(tail) or _is_whole(tail, written_bytes, salt):
            return False
    return has_blank_sector(tail[:end], at)


def has_blank_sector(record: bytes | memoryview, at: int) -> bool:
    """Whether some sector's part of the record, which lies at offset `at`, is all zeros."""
    start = 0
    while start < len(record):
        stop = min(start + SECTOR_BYTES - (at + start) % SECTOR_BYTES, len(record))
        if record[start:stop] == bytes(stop - start):
            return True
        start = stop
    return False


def _stored_forms(payload: bytes) -> Iterator[tuple[int, bytes]]:
    small = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(payload)
    forms = [(0, payload), (FLAG_ZSTD, small)]
    yield from sorted(forms, key=lambda form: len(form[1]))
    checksummed = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    yield FLAG_ZSTD, checksummed.compress(payload)


def _unpacked(stored: bytes, plain_bytes: int) -> bytes:
    try:
        # The frame's own word on its length is read first: it decides what is allocated.
        if zstandard.frame_content_size(stored) != plain_bytes:
            raise Unsound(f"a zstd frame of {plain_bytes} bytes", "another length")
        return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Unsound("a zstd frame", "bytes that are none") from None


def _is_whole(tail: memoryview, written_bytes: int, salt: bytes) -> bool:
    """Whether some other stored length, of those that end near the last byte, makes the CRC fit."""
    crc = bytes(tail[12:16])
    first = max(written_bytes - RECORD_HEADER_BYTES, 0)
    last = min(first + SECTOR_BYTES, len(tail) - RECORD_HEADER_BYTES)
    return any(_crc(tail, length, salt) == crc for length in range(first, last))


def _crc(record: bytes | memoryview, stored_bytes: int, salt: bytes) -> bytes:
    start = crc32(salt + stored_bytes.to_bytes(4, "big") + record[8:12])
    return crc32(record[16 : RECORD_HEADER_BYTES + stored_bytes], start).to_bytes(4, "big")


def _padded(length: int) -> int:
    return length + -length % 8
