"""
Key files: one secret of 32 bytes, sealed by a passphrase (`security.md` §5.2).

    "SALUSKEY" (8) ‖ 01 ‖ algorithm ‖ use ‖ KiB u32 ‖ t u8 ‖ p u8 ‖ salt (16) ‖ nonce (12)
    ‖ AES-256-GCM(Argon2id(passphrase), key, AAD = the 45 bytes before)         93 bytes in all

A demo's file says so in its first bytes, holds its key in the clear, and is refused elsewhere.
"""

import os

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.base.errors import Category, Problem

MAGIC = b"SALUSKEY"
DEMO_MAGIC = b"SALUSDEMO-NOT-SECRET\n"

MEMORY_KIB = 64 * 1024
MEMORY_KIB_MAX = 1024 * 1024
PASSES = 3
PASSES_MAX = 16
LANES = 4
LANES_MAX = 16
"""Argon2id's second recommended set (RFC 9106 §4); a file asking for far more is refused."""

HEAD_BYTES = 45
FILE_BYTES = 93


def lock(secret: bytes, use: int, passphrase: bytes) -> bytes:
    """A key file of a 32-byte secret; takes 0.2-0.4 s."""
    head = b"".join(
        (
            MAGIC, b"\x01\x01", bytes([use]), MEMORY_KIB.to_bytes(4, "big"),
            bytes([PASSES, LANES]), os.urandom(16), os.urandom(12),
        )
    )  # fmt: skip
    return head + _cipher(head, passphrase).encrypt(head[33:45], secret, head)


def unlock(data: bytes, use: int, passphrase: bytes) -> bytes:
    """The secret; raises Problem KeyFileMalformed, KeyFileOtherUse, PassphraseWrong."""
    if len(data) != FILE_BYTES or not data.startswith(MAGIC + b"\x01\x01"):
        raise _problem("KeyFileMalformed", "expected a Salus key file of 93 bytes")
    _check_use(data[10], use)
    _check_costs(int.from_bytes(data[11:15], "big"), data[15], data[16])
    head = data[:HEAD_BYTES]
    try:
        return _cipher(head, passphrase).decrypt(head[33:45], data[HEAD_BYTES:], head)
    except InvalidTag:
        raise _problem("PassphraseWrong", "the passphrase does not open this key file") from None


def lock_demo(secret: bytes, use: int) -> bytes:
    """A demo's key file: readable by all, and marked so."""
    return DEMO_MAGIC + bytes([use]) + secret


def is_demo(data: bytes) -> bool:
    """Whether the file is a demo's."""
    return data.startswith(DEMO_MAGIC)


def unlock_demo(data: bytes, use: int) -> bytes:
    """The secret of a demo's file; raises Problem KeyFileMalformed, KeyFileOtherUse."""
    if not is_demo(data) or len(data) != len(DEMO_MAGIC) + 33:
        raise _problem("KeyFileMalformed", "expected a demo key file")
    _check_use(data[len(DEMO_MAGIC)], use)
    return data[len(DEMO_MAGIC) + 1 :]


def _check_use(found: int, expected: int) -> None:
    if found != expected:
        raise _problem("KeyFileOtherUse", f"expected a key of use {expected}, found {found}")


def _check_costs(memory_kib: int, passes: int, lanes: int) -> None:
    """Before Argon2 runs: a changed file must not cost minutes, nor be weak."""
    if not MEMORY_KIB <= memory_kib <= MEMORY_KIB_MAX:
        raise _problem("KeyFileMalformed", "its memory cost is outside 64 Ki to 1 Mi KiB")
    if not (PASSES <= passes <= PASSES_MAX and 1 <= lanes <= LANES_MAX):
        raise _problem("KeyFileMalformed", "its passes are outside 3 to 16, or its lanes 1 to 16")


def _cipher(head: bytes, passphrase: bytes) -> AESGCM:
    key = hash_secret_raw(
        secret=passphrase,
        salt=head[17:33],
        time_cost=head[15],
        memory_cost=int.from_bytes(head[11:15], "big"),
        parallelism=head[16],
        hash_len=32,
        type=Type.ID,
    )
    return AESGCM(key)


def _problem(name: str, text: str) -> Problem:
    return Problem(Category.UNAUTHENTICATED, name, text)
