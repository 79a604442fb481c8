"""
Keys and signatures: Ed25519, decided by libsodium alone (`security.md` §4.2).

- A key enters the ledger only as a canonical point of the main subgroup (`check_point`).
- A signature is the algorithm byte ‖ 64 B; the byte must equal the key's.
- `verify` raises and returns nothing: a check that matters cannot be forgotten in an `if`.
"""

import os

from nacl import bindings
from nacl.exceptions import BadSignatureError, CryptoError

from salus.base.hashing import domain_hash

ED25519 = 1
"""The algorithm byte of Ed25519 (RFC 8032) in the registry of signatures."""


class SignatureRefused(Exception):
    """The signature does not hold for this key and these bytes."""


class KeyRefused(Exception):
    """The bytes are no acceptable public key: length, algorithm byte, or the point itself."""


class SigningKey:
    """An Ed25519 key pair; the seed never leaves the object but by `seed`."""

    def __init__(self, seed: bytes) -> None:
        """Make the pair of a 32-byte seed."""
        self.seed = seed
        public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public = bytes([ED25519]) + public

    @classmethod
    def random(cls) -> "SigningKey":
        """A new pair from the system's randomness."""
        return cls(os.urandom(32))

    def sign(self, data: bytes) -> bytes:
        """Sign; 65 B."""
        signed: bytes = bindings.crypto_sign(data, self._secret)
        return bytes([ED25519]) + signed[:64]

    @property
    def key_id(self) -> bytes:
        """The key's name on the ledger; 16 B."""
        return key_id(self.public)

    def __repr__(self) -> str:
        """Only the key id."""
        return f"SigningKey({self.key_id.hex()})"


def verify(key: bytes, signature: bytes, data: bytes) -> None:
    """
    Check that `signature` (65 B) by `key` (33 B) stands over `data`; raises SignatureRefused.

    The key's point is not checked here, but where it enters the ledger.
    """
    if len(key) != 33 or len(signature) != 65 or key[0] != ED25519 or signature[0] != ED25519:
        raise SignatureRefused("expected an Ed25519 key of 33 bytes and a signature of 65")
    try:
        bindings.crypto_sign_open(signature[1:] + data, key[1:])
    except (BadSignatureError, CryptoError, ValueError):
        raise SignatureRefused("the signature does not hold for this key and these bytes") from None


def check_point(key: bytes) -> None:
    """Check that 33 B are an Ed25519 key fit for the ledger; raises KeyRefused. 62 µs."""
    if len(key) != 33 or key[0] != ED25519:
        raise KeyRefused("expected algorithm byte 1 and 32 bytes")
    if not bindings.crypto_core_ed25519_is_valid_point(key[1:]):
        raise KeyRefused("not a canonical point of Ed25519's main subgroup")


def key_id(key: bytes) -> bytes:
    """First 16 bytes of SHA-256(D("key") ‖ key)."""
    return domain_hash("key", key)[:16]


def member_id(first_key: bytes) -> bytes:
    """First 16 bytes of SHA-256(D("member") ‖ the member's first transaction key)."""
    return domain_hash("member", first_key)[:16]
