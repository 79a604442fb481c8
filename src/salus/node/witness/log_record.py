r"""
The release log's file: one record a release call, appended and synced before the answer leaves.

    file    "SALUSR1\n" ‖ salt 8 B, random: nothing a reader sends can imitate a record
    record  0   4 B  "REL1"
            4   4 B  payload bytes, u32 big-endian
            8   4 B  entries, u32, at least 1
            12  4 B  CRC-32 over the salt and the payload
            16  4 B  CRC-32 over the salt and bytes 0-15: a length is believed by it alone
            20       payload: each entry as u32 length ‖ bytes

A record counts whole or not at all. A bad last record is taken for torn, and dropped, only if part
of it was never written: its end is missing, or a whole sector of 512 bytes is zeros. Anything else
is damage: an acknowledged release must not vanish (corrections 17).
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from salus.base.errors import Fault

FILE_MAGIC = b"SALUSR1\n"
FILE_HEAD_BYTES = 16

MAGIC = b"REL1"
HEAD_BYTES = 20
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
"""A call's 32 tags with 4,000 wants take a hundredth of it."""

_SECTOR_BYTES = 512
_PART_BYTES_MIN = 16
"""A shorter end of a record may be zeros by chance."""

_HEAD = struct.Struct(">4sIII")
_HEAD_CRC_AT = _HEAD.size


class Record(NamedTuple):
    """One call's entries and where each begins."""

    entries: tuple[bytes, ...]
    offsets: tuple[int, ...]
    """Of each entry's bytes, from the file's start."""

    end: int
    """Where the next record begins."""


class Torn(Exception):
    """
    A record was never wholly written, so never acknowledged.

    Whoever reads drops it if only zeros follow; before other bytes it is damage.
    """


def pack(entries: Sequence[bytes], salt: bytes) -> bytes:
    """The record of one call's entries; `salt`: the file's, 8 B."""
    payload = b"".join(len(entry).to_bytes(4, "big") + entry for entry in entries)
    head = _HEAD.pack(MAGIC, len(payload), len(entries), crc32(salt + payload))
    return head + crc32(salt + head).to_bytes(4, "big") + payload


def read(data: bytes, at: int, salt: bytes) -> Record:
    """
    Take the record apart with which `data` begins; `at`: its offset in the file.

    Raises Torn: part of it was never written; Fault: release log damaged.
    """
    payload_bytes = payload_bytes_of(data[:HEAD_BYTES], salt)
    if payload_bytes is None:
        raise _bad(data, at)
    end = HEAD_BYTES + payload_bytes
    if len(data) < end:
        raise Torn
    _, _, count, checksum = _HEAD.unpack_from(data)
    if crc32(salt + data[HEAD_BYTES:end]) != checksum:
        raise _bad(data[:end], at)
    entries = tuple(_entries(data[HEAD_BYTES:end], count))
    offsets = []
    place = at + HEAD_BYTES
    for entry in entries:
        offsets.append(place + 4)
        place += 4 + len(entry)
    return Record(entries, tuple(offsets), at + end)


def payload_bytes_of(head: bytes, salt: bytes) -> int | None:
    """The payload's length as a record's first 20 bytes state it, or None: they are no head."""
    if len(head) < HEAD_BYTES:
        return None
    magic, payload_bytes, _, _ = _HEAD.unpack_from(head)
    checksum = int.from_bytes(head[_HEAD_CRC_AT:HEAD_BYTES], "big")
    if magic != MAGIC or crc32(salt + head[:_HEAD_CRC_AT]) != checksum:
        return None
    return int(payload_bytes)


def damaged() -> Fault:
    """The fault of a log that contradicts itself."""
    return Fault(
        "release log damaged: stop the node and restore the witness folder from a backup; the "
        "anchors on the ledger say how long the log was. Run `salus repair` to see what is missing"
    )


def _entries(payload: bytes, count: int) -> list[bytes]:
    entries = []
    at = 0
    while at < len(payload):
        length = int.from_bytes(payload[at : at + 4], "big")
        entries.append(payload[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(payload) or len(entries) != count or not entries:
        raise damaged()
    return entries


def _bad(data: bytes, at: int) -> Exception:
    is_cut = len(data) < HEAD_BYTES
    return Torn() if is_cut or _has_unwritten(data, at) else damaged()


def _has_unwritten(data: bytes, at: int) -> bool:
    """Whether any part of the record that fell into one sector is zeros."""
    boundaries = range(_SECTOR_BYTES - at % _SECTOR_BYTES, len(data), _SECTOR_BYTES)
    ends = [*boundaries, len(data)]
    starts = [0, *boundaries]
    return any(
        end - start >= _PART_BYTES_MIN and not any(data[start:end])
        for start, end in zip(starts, ends, strict=True)
    )
