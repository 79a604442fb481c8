"""
A process of the verify pool: envelopes in, one byte an envelope out, until its input ends.

Signatures are checked in processes, since threads would fight the block writer for the interpreter:
9,400 against 7,200 transactions a second were measured (`ledger.md` §5.3).
"""

import signal
import sys
from typing import BinaryIO

import msgspec

from salus.base import codec, signing
from salus.base.envelope import Envelope, check_envelope

_CHUNK = msgspec.msgpack.Decoder(list[bytes])


def main() -> None:
    """Serve the pipe: first the network id (32 B), then frames of u32 length and msgpack."""
    # Ctrl-C reaches the whole group; the node still needs its workers to finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    network = source.read(32)
    while frame := _read_frame(source):
        sink.write(bytes(holds(network, data) for data in _CHUNK.decode(frame)))
        sink.flush()


def holds(network: bytes, data: bytes) -> bool:
    """Whether the envelope's signature holds; malformed bytes do not."""
    try:
        check_envelope(network, codec.decode_loose(data, Envelope))
    except (codec.Malformed, signing.SignatureRefused):
        return False
    return True


def _read_frame(source: BinaryIO) -> bytes:
    head = source.read(4)
    return source.read(int.from_bytes(head, "big")) if len(head) == 4 else b""


if __name__ == "__main__":
    main()
