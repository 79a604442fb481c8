"""
The heap of a clean stop, kept in a file so that the next start need not read every bucket.

File: `SALUSHP1 ‖ T u8 ‖ root 32 ‖ CRC-32 of the rest ‖ slots ‖ kinds`. It is trusted only if the
checksum holds and its T and root are those of the base; so it may be torn, stale or missing.
"""

import contextlib
import struct
import zlib
from pathlib import Path

from salus.state.heap import Heap

_HEAD = struct.Struct(">8sB32sI")
_MAGIC = b"SALUSHP1"


def save(file: Path, heap: Heap) -> None:
    """Keep the heap; without room for it the next start takes a second or two longer."""
    head = _HEAD.pack(_MAGIC, heap.levels, heap.root, _checksum(heap))
    with contextlib.suppress(OSError), file.open("wb") as out:
        out.write(head)
        out.write(heap.slots)
        out.write(heap.kinds)


def load(file: Path, levels: int, root: bytes) -> Heap | None:
    """The kept heap, or None if there is none of that T and root, or it is damaged."""
    try:
        with file.open("rb") as data:
            head = data.read(_HEAD.size).ljust(_HEAD.size, b"\0")
            *found, checksum = _HEAD.unpack(head)
            if found != [_MAGIC, levels, root]:
                return None
            heap = Heap(levels)
            data.readinto(heap.slots)
            data.readinto(heap.kinds)
    except OSError:
        return None
    heap.root = root
    return heap if _checksum(heap) == checksum else None


def _checksum(heap: Heap) -> int:
    return zlib.crc32(heap.kinds, zlib.crc32(heap.slots))
