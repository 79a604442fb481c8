"""The journal's bytes against bytes put together by hand from `ledger.md` §3.5."""

import hashlib
import os
import struct
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from salus.node.journal_format import (
    OtherFormat,
    RecordHeader,
    SegmentHeader,
    Unsound,
    decode_payload,
    decode_record_header,
    decode_segment_header,
    encode_record,
    encode_segment_header,
    has_blank_sector,
)

NETWORK = hashlib.sha256(b"test chain").digest()
SALT = bytes.fromhex("0102030405060708")
ZEROS = bytes(32)


def test_segment_header_is_laid_out_as_the_page_says() -> None:
    """128 bytes: magic, network, first height, chain before, salt, length, zeros, CRC-32."""
    by_hand = b"SALUSJ2\n" + NETWORK + struct.pack(">Q", 7) + b"\xaa" * 32 + SALT
    by_hand += struct.pack(">Q", 2**20) + bytes(28)
    by_hand += struct.pack(">I", zlib.crc32(by_hand))

    header = SegmentHeader(NETWORK, 7, b"\xaa" * 32, SALT, 2**20)

    assert len(by_hand) == 128
    assert by_hand == encode_segment_header(header)
    assert header == decode_segment_header(by_hand)


def test_plain_record_is_laid_out_as_the_page_says() -> None:
    """A payload too short to shrink stands as it is, padded with zeros to 8 bytes."""
    payload = b"a block"
    chain = hashlib.sha256(b"salus/1/journal\x00" + ZEROS + payload).digest()
    checked = struct.pack(">II", 7, 0)
    body = struct.pack(">QQ", 3, 7) + chain + payload
    crc = struct.pack(">I", zlib.crc32(SALT + checked + body))
    by_hand = b"REC1" + checked + crc + body + b"\x00"

    assert (by_hand, chain) == encode_record(3, payload, ZEROS, SALT, 128)


def test_record_bytes_are_fixed() -> None:
    """A vector, made with sha256sum and gzip's CRC-32 from the layout alone."""
    record, chain = encode_record(1, b"salus", ZEROS, SALT, 128)

    assert (
        "524543310000000500000000"
        "cdab51b0"
        "00000000000000010000000000000005"
        "2233911d69125cae8447d55ddf5ae9ef40d1ef63bc5722a206948eec132f700b"
        "73616c7573000000"
    ) == record.hex()
    assert chain == record[32:64]


def test_long_payload_is_stored_as_zstd() -> None:
    """Flag 1; the stored bytes are one zstd frame; the chain is over the plain payload."""
    payload = b"the same words again and again " * 100
    record, chain = encode_record(9, payload, ZEROS, SALT, 128)
    header = decode_record_header(memoryview(record), SALT)

    assert header == RecordHeader(9, 1, header.stored_bytes, len(payload), chain)
    assert payload == zstandard.decompress(record[64 : 64 + header.stored_bytes])
    assert payload == decode_payload(memoryview(record), header, ZEROS)


@given(payload=st.binary(max_size=3000), at=st.integers(0, 600).map(lambda word: word * 8))
def test_what_is_written_is_read(payload: bytes, at: int) -> None:
    """Any payload comes back, its record's length is a multiple of 8."""
    record, chain = encode_record(5, payload, ZEROS, SALT, at)
    header = decode_record_header(memoryview(record), SALT)

    assert len(record) == header.record_bytes
    assert len(record) % 8 == 0
    assert chain == header.chain
    assert payload == decode_payload(memoryview(record), header, ZEROS)


@given(
    before=st.binary(max_size=600),
    zeros=st.integers(0, 1600),
    after=st.binary(max_size=20),
    at=st.integers(0, 64).map(lambda word: word * 8),
)
def test_no_record_has_a_blank_sector(before: bytes, zeros: int, after: bytes, at: int) -> None:
    """A sector of zeros inside a record proves a torn write: a whole record never has one."""
    record, _ = encode_record(5, before + bytes(zeros) + after, ZEROS, SALT, at)

    assert not has_blank_sector(record, at)


def test_another_form_is_taken_where_the_shorter_has_a_blank_sector() -> None:
    """Incompressible bytes ending in zeros at a sector's start are stored as zstd all the same."""
    payload = os.urandom(384 - 64) + bytes(3)
    record, _ = encode_record(5, payload, ZEROS, SALT, 128)

    assert decode_record_header(memoryview(record), SALT).flags == 1
    assert not has_blank_sector(record, 128)


def _reseal(record: bytearray, end: int) -> bytes:
    """Make the CRC fit again, as someone who knows the salt could."""
    crc = zlib.crc32(SALT + record[4:12] + record[16:end])
    record[12:16] = struct.pack(">I", crc)
    return bytes(record)


def _with(record: bytes, at: int, value: bytes, end: int) -> bytes:
    changed = bytearray(record)
    changed[at : at + len(value)] = value
    return _reseal(changed, end)


RECORD = encode_record(3, b"a block", ZEROS, SALT, 128)[0]
PACKED = encode_record(3, b"word " * 99, ZEROS, SALT, 128)[0]
PACKED_END = 64 + int.from_bytes(PACKED[4:8], "big")

HEADER_REFUSED = {
    "no room for a header": (RECORD[:63], "a record header of 64 bytes"),
    "magic": (b"REC2" + RECORD[4:], "a record's magic REC1"),
    "longer than the rest": (_with(RECORD, 4, struct.pack(">I", 9), 71), "at most 72 bytes"),
    "CRC": (RECORD[:12] + bytes(4) + RECORD[16:], "a record whose CRC fits"),
    "unknown flag": (_with(RECORD, 8, struct.pack(">I", 2), 71), "flags 0 or 1"),
    "padding": (RECORD[:-1] + b"\x01", "zeros after the payload"),
}


@pytest.mark.parametrize(("data", "expected"), HEADER_REFUSED.values(), ids=HEADER_REFUSED.keys())
def test_bad_record_is_told_by_its_first_fault(data: bytes, expected: str) -> None:
    """Each row names what stood there instead of what is expected."""
    with pytest.raises(Unsound, match=expected):
        decode_record_header(memoryview(data), SALT)


PAYLOAD_REFUSED = {
    "over the bound": (_with(RECORD, 24, struct.pack(">Q", 2**30), 71), "at most 16777216"),
    "plain length": (_with(RECORD, 24, struct.pack(">Q", 8), 71), "a payload of 8 bytes"),
    "frame's own length": (_with(PACKED, 24, struct.pack(">Q", 9), PACKED_END), "frame of 9"),
    "no zstd": (_with(PACKED, 64, b"\xff\xff\xff\xff", PACKED_END), "a zstd frame"),
    "chain": (_with(RECORD, 32, bytes(32), 71), "the chain value"),
    "payload": (_with(RECORD, 64, b"A", 71), "the chain value"),
}


@pytest.mark.parametrize(("data", "expected"), PAYLOAD_REFUSED.values(), ids=PAYLOAD_REFUSED.keys())
def test_bad_payload_is_refused_though_its_crc_fits(data: bytes, expected: str) -> None:
    """A segment from another's archive may hold anything: the chain decides, not the CRC."""
    header = decode_record_header(memoryview(data), SALT)

    with pytest.raises(Unsound, match=expected):
        decode_payload(memoryview(data), header, ZEROS)


def test_bad_segment_header_is_refused() -> None:
    """Short, changed in any byte, or of another format."""
    good = encode_segment_header(SegmentHeader(NETWORK, 7, ZEROS, SALT, 2**20))
    other = bytearray(good)
    other[100] = 1
    other[124:] = struct.pack(">I", zlib.crc32(bytes(other[:124])))

    with pytest.raises(Unsound, match="128 bytes"):
        decode_segment_header(good[:127])
    with pytest.raises(Unsound, match="zeros after a segment header's fields"):
        decode_segment_header(bytes(other))
    other[:8] = b"SALUSJ1\n"
    other[124:] = struct.pack(">I", zlib.crc32(bytes(other[:124])))
    with pytest.raises(OtherFormat, match="format SALUSJ2, found SALUSJ1"):
        decode_segment_header(bytes(other))
    for at in range(128):
        changed = bytearray(good)
        changed[at] ^= 0x10
        with pytest.raises(Unsound, match="CRC"):
            decode_segment_header(bytes(changed))
