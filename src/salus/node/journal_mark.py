"""
The mark of a clean end: `clean` holds the last height u64, its chain value, and a CRC-32.

It lies in the journal's folder only while nobody has it open. With it, a start knows that the last
record was acknowledged, so nothing behind it may be forgiven; without it, the last write may be
torn, and may have been read back from memory without ever reaching the disk.
"""

from pathlib import Path
from zlib import crc32

from salus.base.hashing import u64
from salus.node.journal_segment import read_bytes
from salus.node.journal_spare import NEW
from salus.node.ports import Disk, StrictDisk

CLEAN = "clean"

_MARK_BYTES = 44


def write_mark(folder: Path, disk: StrictDisk, height: int, chain: bytes) -> None:
    """Leave the mark; on a full disk leave none, which costs the next start a copy."""
    body = u64(height) + chain
    path = folder / (CLEAN + NEW)
    file = disk.plain.open(path, create=True)
    try:
        written = disk.pwrite_if_room(file, body + crc32(body).to_bytes(4, "big"), 0)
        if written:
            disk.fdatasync(file)
    finally:
        disk.plain.close(file)
    if written:
        disk.rename(path, folder / CLEAN)


def read_mark(folder: Path, disk: Disk) -> tuple[int, bytes] | None:
    """Height and chain value; None if there is no mark, or no sound one."""
    if CLEAN not in disk.names(folder):
        return None
    data = read_bytes(disk, folder / CLEAN)
    body = data[: _MARK_BYTES - 4]
    if len(data) != _MARK_BYTES or crc32(body) != int.from_bytes(data[-4:], "big"):
        return None
    return int.from_bytes(body[:8], "big"), body[8:]
