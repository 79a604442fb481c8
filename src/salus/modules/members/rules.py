"""How members decides; pure."""

import re
from collections.abc import Sequence

from salus.base import codec
from salus.base.codec import Struct
from salus.base.hashing import domain, u8
from salus.base.signing import ED25519, KeyRefused, SignatureRefused, check_point, verify
from salus.base.types import DAY_MS, U16, Hash32, Id16, PublicKey, TimeMs
from salus.modules.members.state import SEALING, TRANSACTION, USES, Practitioner

TRANSACTION_KEYS_MAX = 32
"""Live transaction keys of a member: one a door or feed, each with its own nonces."""

OTHER_KEYS_MAX = 2
"""Live keys of any other use: one and its successor."""

GENERATIONS_MAX = 2**16 - 1
"""Keys of one use a member may ever have: the width of a generation."""

MEMBERS_MAX = 64
"""Members ever admitted: their numbers fit the 64 bits of an erasure's `members_done`."""

ROLE_MAX = 9
"""The last role there is: system."""

PERIOD_MS_MAX = 366 * DAY_MS
"""A practitioner is checked anew at least once a year."""

X25519 = 1
"""Algorithm byte of X25519 in the registry of seals (`security.md` §4.1)."""

X25519_LOW_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""
Every encoding, top bit cleared, with which X25519 gives zero whatever the private key.

Points of order 1, 2, 4, 8 on curve and twist, and p − 1, p, p + 1 (RFC 7748 §6.1, §7).
"""

_ADDRESS = re.compile(
    r"https://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[a-z0-9._~-]+)*/?"
)

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in a certificate (RFC 8410 §4)."""


class Claim(Struct, frozen=True):
    """What issuers and the person sign: `RegisterPractitioner` without its signatures."""

    id: Id16
    role: U16
    key: PublicKey
    credential: Hash32
    from_ms: TimeMs
    until_ms: TimeMs


def is_key(use: int, key: bytes) -> bool:
    """Whether 33 B are a public key fit for the use, and the use is one."""
    if use == SEALING:
        return is_sealing_key(key)
    return use in USES and is_signature_key(key)


def is_signature_key(key: bytes) -> bool:
    """Whether 33 B are algorithm byte 1 and a sound Ed25519 point (`security.md` §4.2)."""
    try:
        check_point(key)
    except KeyRefused:
        return False
    return True


def is_sealing_key(key: bytes) -> bool:
    """Whether 33 B are algorithm byte 1 and an X25519 key to which a secret can be sealed."""
    point = key[1:32] + bytes([key[32] & 0x7F])  # X25519 ignores the top bit
    return key[0] == X25519 and point not in X25519_LOW_ORDER


def keys_max(use: int) -> int:
    """How many live keys of a use a member may have."""
    return TRANSACTION_KEYS_MAX if use == TRANSACTION else OTHER_KEYS_MAX


def add_key_bytes(network: bytes, member: bytes, use: int, key: bytes) -> bytes:
    """What a new key signs: D("add-key") ‖ network ‖ member ‖ use u8 ‖ key."""
    return domain("add-key") + network + member + u8(use) + key


def claim_bytes(network: bytes, member: bytes, claim: Claim) -> bytes:
    """What issuers and the new key sign: D("practitioner") ‖ network ‖ member ‖ canonical claim."""
    return domain("practitioner") + network + member + codec.encode(claim)


def is_signed(key: bytes, signature: bytes | None, data: bytes) -> bool:
    """Whether a signature is there and holds."""
    if signature is None:
        return False
    try:
        verify(key, signature, data)
    except SignatureRefused:
        return False
    return True


def is_proven(use: int, key: bytes, proof: bytes | None, data: bytes) -> bool:
    """Whether a new key proved itself: by its signature; a sealing key by giving none."""
    return proof is None if use == SEALING else is_signed(key, proof, data)


def is_address(address: str) -> bool:
    """Whether peers could be told to go there; the length is the schema's."""
    return _ADDRESS.fullmatch(address) is not None


def is_certificate(data: bytes, service_keys: Sequence[bytes]) -> bool:
    """
    Whether the bytes are one DER sequence around one of the service keys (33 B each).

    The certificate itself is read by those who connect: two X.509 libraries may disagree, and
    consensus must not.
    """
    return _is_der_sequence(data) and any(
        key[0] == ED25519 and _ED25519_SPKI + key[1:] in data for key in service_keys
    )


def is_role(role: int) -> bool:
    """Whether there is such a role."""
    return 1 <= role <= ROLE_MAX


def is_period(from_ms: int, until_ms: int, now_ms: int) -> bool:
    """Whether a practitioner may be valid so long: not empty, not over, at most 366 days."""
    return from_ms < until_ms and now_ms < until_ms and until_ms - from_ms <= PERIOD_MS_MAX


def is_valid(person: Practitioner, at_ms: int) -> bool:
    """Whether a practitioner's own dates allow an act at this time."""
    ended = person.ended_ms is not None and person.ended_ms <= at_ms
    return person.from_ms <= at_ms < person.until_ms and not ended


def _is_der_sequence(data: bytes) -> bool:
    if len(data) < 2 or data[0] != 0x30:
        return False
    if data[1] < 0x80:
        return len(data) == 2 + data[1]
    width = data[1] & 0x7F
    return width in (1, 2) and len(data) == 2 + width + int.from_bytes(data[2 : 2 + width], "big")
