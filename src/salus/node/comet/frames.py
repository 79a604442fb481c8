"""
Frames of the ABCI socket: a length as a protobuf varint, then so many bytes of one message.

Pure: bytes in, whole messages out, however the stream was cut.
"""

from collections.abc import Sequence

from salus.base.errors import Category, Problem

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""One message (`security.md` §8); a block of 4 MiB with its votes is far below."""

LENGTH_BYTES_MAX = 4
"""A varint of four bytes reaches 256 MiB; a fifth byte is never needed."""


class FrameReader:
    """Collects a stream's bytes and hands out the frames that are whole."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take in what arrived; the whole frames of it, in order.

        Raises Problem FrameTooLarge, as soon as the length says so.
        """
        self._buffer += data
        frames: list[bytes] = []
        at = 0
        while (span := _next(self._buffer, at)) is not None:
            start, end = span
            frames.append(bytes(self._buffer[start:end]))
            at = end
        del self._buffer[:at]
        return frames


def frame_all(messages: Sequence[bytes]) -> bytes:
    """The frames of messages, one after another."""
    return b"".join(part for message in messages for part in (varint(len(message)), message))


def varint(value: int) -> bytes:
    """A number as protobuf writes lengths: seven bits a byte, the lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _next(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` starts and ends, or None if it is not whole."""
    length = 0
    for number in range(LENGTH_BYTES_MAX):
        if at + number >= len(buffer):
            return None
        byte = buffer[at + number]
        length |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            start = at + number + 1
            break
    else:
        raise _too_large(length)
    if length > FRAME_BYTES_MAX:
        raise _too_large(length)
    return (start, start + length) if start + length <= len(buffer) else None


def _too_large(length: int) -> Problem:
    return Problem(
        Category.TOO_LARGE,
        "FrameTooLarge",
        f"expected a frame of at most {FRAME_BYTES_MAX} bytes, found {length} or more",
    )
