"""
The table of signatures that verifiers disagree on, with what Salus says of each.

`python -m tests.support.ed25519_vectors` writes `tests/vectors/ed25519/own.json`: two cases of our
own beside the twelve of `cases.json` (`ORIGIN.md` there). Both rest on the key of seed 32 × 07.
"""

import json
from hashlib import sha512
from pathlib import Path
from typing import Any

from nacl import bindings

FOLDER = Path(__file__).parents[1] / "vectors" / "ed25519"
SEED = b"\x07" * 32
MESSAGE = b"salus"
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the base point (RFC 8032 §5.1)."""

IDENTITY = b"\x01" + bytes(31)
NONCE = 123456789

SIGNATURE_ALONE = (3,)
"""Columns whose signature PyNaCl accepts; Salus refuses its key where keys enter the ledger."""

SOUND_KEYS = (6, 7, 12, 13)
"""Columns whose key may enter the ledger: there the signature decides, and none holds."""


def speccheck() -> list[dict[str, Any]]:
    """Columns 0-11."""
    cases: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
    return cases


def own() -> list[dict[str, Any]]:
    """
    Columns 12 and 13, made anew.

    12: R is the identity, S = k·a; the equation holds, and OpenSSL accepts it. 13: R = 123456789·B
    plus a point of small order (the key of column 0), S = r + k·a; only a verifier that multiplies
    by the cofactor accepts it.
    """
    public, _ = bindings.crypto_sign_seed_keypair(SEED)
    small = bytes.fromhex(speccheck()[0]["pub_key"])
    base = bindings.crypto_scalarmult_ed25519_base_noclamp(NONCE.to_bytes(32, "little"))
    mixed = bindings.crypto_core_ed25519_add(base, small)
    return [
        {
            "column": column,
            "message": MESSAGE.hex(),
            "pub_key": public.hex(),
            "signature": one.hex(),
        }
        for column, one in ((12, _signed(IDENTITY, 0, public)), (13, _signed(mixed, NONCE, public)))
    ]


def _signed(r_point: bytes, r: int, public: bytes) -> bytes:
    """R ‖ S with S = r + k·a."""
    digest = bytearray(sha512(SEED).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    k = int.from_bytes(sha512(r_point + public + MESSAGE).digest(), "little") % ORDER
    s = (r + k * int.from_bytes(digest, "little")) % ORDER
    return r_point + s.to_bytes(32, "little")


def text(cases: list[dict[str, Any]]) -> str:
    """The file."""
    return json.dumps(cases, indent=1) + "\n"


if __name__ == "__main__":
    (FOLDER / "own.json").write_text(text(own()))
