"""
The small pieces C2SP's line formats are made of: decimals, hashes, base64, each in one form only.

Notes, `.tlog-proof` files and requests to cosigners share them; anything else is NoteRefused.
"""

import base64
import binascii

from salus.base.types import INT_MAX


class NoteRefused(Exception):
    """The note, key or signature is not what it must be; the text says where, never its content."""


def parse_decimal(text: str) -> int:
    """Read an ASCII decimal of 0 … 2^53 − 1 without leading zeros; raises NoteRefused."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and str(int(text)) == text):
        raise NoteRefused("expected a decimal number without leading zeros")
    if int(text) > INT_MAX:
        raise NoteRefused("expected a number of at most 2^53 - 1")
    return int(text)


def parse_hash(text: str) -> bytes:
    """Read 32 bytes in base64; raises NoteRefused."""
    value = decode64(text)
    if len(value) != 32:
        raise NoteRefused("expected a hash of 32 bytes in base64")
    return value


def encode64(data: bytes) -> str:
    """Standard base64, padded (RFC 4648 §4)."""
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes:
    """Read base64 in its one canonical form, padding bits zero; raises NoteRefused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteRefused("expected standard base64") from None
    if encode64(data) != text:
        raise NoteRefused("expected base64 in its canonical form")
    return data


def is_name(text: str) -> bool:
    """Whether `text` can name a key: not empty, no Unicode space, no plus (C2SP signed-note)."""
    return bool(text) and "+" not in text and not any(character.isspace() for character in text)
