"""
Derived keys, seals and padding (`security.md` §4.3–4.6, `patient-control.md` §3).

- Every secret comes from another by HKDF-SHA256 under a label listed here, and only here.
- A seal is HPKE base mode, suite 1: X25519, HKDF-SHA256, AES-256-GCM. It names no sender, so it
  lies inside bytes its sender signs; where it belongs is bound by `info`.
- AES-256-GCM runs with nonce zero: a key encrypts one message, ever.
"""

import hmac
import os
from collections.abc import Sequence
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings

from salus.base.hashing import u32
from salus.base.signing import KeyRefused

LABELS = frozenset(
    {
        # a person's keys, from the root down
        "compartment", "share", "tag", "control", "owner", "generation", "node", "slot",
        "grant", "stop", "delegate", "box", "box-seal", "box-key", "recovery", "open",
        # a group's keys
        "group", "check", "record", "salt", "mask", "author",
        # seals
        "patient-lock", "seat-packet", "owner-packet", "release",
        "package", "notice", "mail", "escrow-share",
    }
)  # fmt: skip
"""All labels of derived keys, seals and records; any other is a KeyError."""

SUITE = 1
"""Algorithm byte of HPKE with KEM 0x0020, KDF 0x0001, AEAD 0x0002 in the registry of seals."""

SEAL_EXTRA_BYTES = 48
"""What a seal adds to its plaintext: 32 B encapsulated key and 16 B tag."""

TAG_BYTES = 16
"""What AES-256-GCM adds to its plaintext."""

PADME_BYTES_MIN = 256
"""The smallest padded size, so that short records look alike."""

PACKAGE_STEPS_BYTES = (1_024, 4_096, 16_384, 65_536)
"""The sizes a package, notice or escrow share may have (correction 23)."""

MAIL_STEPS_BYTES = PACKAGE_STEPS_BYTES[:2]
"""The sizes a mail may have."""

_HPKE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_PREFIXES = {label: b"salus/1/" + label.encode() + b"\x00" for label in LABELS}
_NO_SALT = bytes(32)
_NONCE = bytes(12)


class SealRefused(Exception):
    """The ciphertext does not open: another key, another place, or altered bytes."""


class PaddingRefused(Exception):
    """The padded bytes do not have one of the allowed sizes, or hold more than zeros behind."""


def derive(secret: bytes, label: str, context: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869): salt none, info "salus/1/" ‖ label ‖ 0x00 ‖ context; 32 B."""
    return expand(extract(secret), label, context)


def extract(secret: bytes) -> bytes:
    """
    Do the first half of `derive`, once for many labels of the same secret; 32 B.

    RFC 5869 §2.2 with no salt.
    """
    return hmac.digest(_NO_SALT, secret, "sha256")


def expand(extracted: bytes, label: str, context: bytes = b"") -> bytes:
    """Do the second half of `derive` (RFC 5869 §2.3, one block); 32 B."""
    return hmac.digest(extracted, _PREFIXES[label] + context + b"\x01", "sha256")


def binding(label: str, chain: bytes, fields: bytes = b"") -> bytes:
    """
    Say where a ciphertext belongs: "salus/1/" ‖ label ‖ 0x00 ‖ chain ‖ fields.

    It is the `info` of a seal and the additional data of a record. `chain`: 32 B network id;
    `fields`: fixed widths, or a hash, so that no two places give the same bytes.
    """
    return _PREFIXES[label] + chain + fields


class SealingKey:
    """An X25519 pair that receives seals."""

    def __init__(self, private: bytes) -> None:
        """Make the pair of 32 private bytes."""
        self.private = private
        self._key = X25519PrivateKey.from_private_bytes(private)

    @classmethod
    def random(cls) -> "SealingKey":
        """A new pair from the system's randomness."""
        return cls(os.urandom(32))

    @cached_property
    def bare(self) -> bytes:
        """The public key without its algorithm byte, as slot keys stand; 32 B."""
        return self._key.public_key().public_bytes_raw()

    @property
    def public(self) -> bytes:
        """Algorithm byte ‖ public key; 33 B."""
        return bytes([SUITE]) + self.bare

    def unseal(self, sealed: bytes, label: str, chain: bytes, fields: bytes = b"") -> bytes:
        """Open a seal made to this key for this place; raises SealRefused. 60 µs."""
        try:
            return _HPKE.decrypt(sealed, self._key, info=binding(label, chain, fields))
        except (InvalidTag, ValueError):
            raise SealRefused("the seal is not for this key and this place") from None

    def __repr__(self) -> str:
        """Only the public key's start."""
        return f"SealingKey({self.bare[:4].hex()})"


def seal(public: bytes, plaintext: bytes, label: str, chain: bytes, fields: bytes = b"") -> bytes:
    """
    Seal to a public key (33 B, or a slot key of 32 B); len(plaintext) + 48 B. 100 µs.

    Raises KeyRefused: wrong length or algorithm byte, or a point of small order.
    """
    try:
        key = X25519PublicKey.from_public_bytes(_bare(public))
        return _HPKE.encrypt(plaintext, key, info=binding(label, chain, fields))
    except ValueError:
        raise KeyRefused("the key is no point of X25519 to which one can seal") from None


def bare_public(private: bytes) -> bytes:
    """Public key of 32 private bytes, by libsodium's fast base point; 32 B. 17 µs."""
    public: bytes = bindings.crypto_scalarmult_base(private)
    return public


def encrypt_once(key: bytes, plaintext: bytes, bound: bytes) -> bytes:
    """AES-256-GCM with nonce zero; `key` encrypts nothing else, ever. len(plaintext) + 16 B."""
    return AESGCM(key).encrypt(_NONCE, plaintext, bound)


def decrypt_once(key: bytes, ciphertext: bytes | memoryview, bound: bytes) -> bytes:
    """Open what `encrypt_once` made for the same place; raises SealRefused."""
    try:
        return AESGCM(key).decrypt(_NONCE, ciphertext, bound)
    except (InvalidTag, ValueError):
        raise SealRefused("the ciphertext is not of this key and this place") from None


def padme_bytes(length: int) -> int:
    """
    Size to which `length` bytes are padded; ≥ 256, ≤ 6.3 % more above that.

    Padmé (PoPETs 2019 §4): the low E − S bits are zero, E = ⌊log2 n⌋, S = ⌊log2 E⌋ + 1.
    """
    size = max(length, PADME_BYTES_MIN)
    exponent = size.bit_length() - 1
    low_bits = (1 << (exponent - exponent.bit_length())) - 1
    return (size + low_bits) & ~low_bits


def pad_package(plain: bytes, steps_bytes: Sequence[int] = PACKAGE_STEPS_BYTES) -> bytes:
    """
    Pack as u32 length ‖ bytes ‖ zeros, to the smallest step that holds it.

    Raises PaddingRefused: larger than the last step.
    """
    size = next((step for step in steps_bytes if step >= len(plain) + 4), None)
    if size is None:
        raise PaddingRefused(f"{len(plain)} bytes; expected at most {steps_bytes[-1] - 4}")
    return (u32(len(plain)) + plain).ljust(size, b"\x00")


def unpad_package(padded: bytes, steps_bytes: Sequence[int] = PACKAGE_STEPS_BYTES) -> bytes:
    """Take `pad_package` apart; raises PaddingRefused unless these are the bytes it makes."""
    length = int.from_bytes(padded[:4], "big")
    plain = padded[4 : 4 + length]
    if len(plain) != length or pad_package(plain, steps_bytes) != padded:
        raise PaddingRefused("expected a length, that many bytes and zeros up to a step")
    return plain


def _bare(public: bytes) -> bytes:
    if len(public) == 32:
        return public
    if len(public) != 33 or public[0] != SUITE:
        raise KeyRefused("expected algorithm byte 1 and 32 bytes, or a slot key of 32 bytes")
    return public[1:]
