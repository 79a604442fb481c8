"""Keys and signatures: one rule for all machines, also where verifiers disagree."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from salus.base import signing
from salus.base.hashing import domain_hash
from salus.base.signing import KeyRefused, SignatureRefused, SigningKey
from tests.support.ed25519_vectors import FOLDER, SIGNATURE_ALONE, SOUND_KEYS, own, speccheck, text

KEY = SigningKey(b"\x07" * 32)
CASES = [*speccheck(), *own()]

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


def holds(key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the signature alone holds."""
    try:
        signing.verify(key, signature, data)
    except SignatureRefused:
        return False
    return True


def enters(key: bytes) -> bool:
    """Whether the key may enter the ledger."""
    try:
        signing.check_point(key)
    except KeyRefused:
        return False
    return True


def test_our_own_cases_are_made_anew_alike() -> None:
    """Columns 12 and 13 follow from the seed and the message."""
    assert text(own()) == (FOLDER / "own.json").read_text()
    assert 14 == len(CASES)


@pytest.mark.parametrize("column", range(14))
def test_the_table_of_disagreement(column: int) -> None:
    """`security.md` 4.2: PyNaCl alone accepts column 3; key and signature together, none."""
    case: dict[str, Any] = CASES[column]
    key = b"\x01" + bytes.fromhex(case["pub_key"])
    signature = b"\x01" + bytes.fromhex(case["signature"])
    alone = holds(key, signature, bytes.fromhex(case["message"]))

    assert (column in SIGNATURE_ALONE) == alone
    assert (column in SOUND_KEYS) == enters(key)
    assert not (alone and enters(key))


def test_another_verifier_would_be_a_fork() -> None:
    """Under column 12's good key OpenSSL accepts what libsodium refuses: one verifier decides."""
    case = CASES[12]
    other = Ed25519PublicKey.from_public_bytes(bytes.fromhex(case["pub_key"]))

    other.verify(bytes.fromhex(case["signature"]), bytes.fromhex(case["message"]))

    with pytest.raises(InvalidSignature):
        other.verify(bytes.fromhex(CASES[13]["signature"]), b"salus")


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    """§7.1, tests 1-3: key, signature and check."""
    key = SigningKey(bytes.fromhex(seed))

    assert b"\x01" + bytes.fromhex(public) == key.public
    assert b"\x01" + bytes.fromhex(signature) == key.sign(bytes.fromhex(message))
    signing.verify(key.public, key.sign(bytes.fromhex(message)), bytes.fromhex(message))


@given(st.binary(max_size=200), st.integers(0, 64), st.integers(0, 7))
def test_one_altered_bit_breaks_a_signature(data: bytes, at: int, bit: int) -> None:
    """In signature, algorithm byte, key or data."""
    signature = KEY.sign(data)
    altered = bytearray(signature)
    altered[at] ^= 1 << bit

    assert holds(KEY.public, signature, data)
    assert not holds(KEY.public, bytes(altered), data)
    assert not holds(KEY.public, signature, data + b"\x00")
    if at < 33:
        key = bytearray(KEY.public)
        key[at] ^= 1 << bit
        assert not holds(bytes(key), signature, data)


WIDTHS = {
    "a short key": (KEY.public[:-1], KEY.sign(b"x")),
    "a long key": (KEY.public + b"\x00", KEY.sign(b"x")),
    "a short signature": (KEY.public, KEY.sign(b"x")[:-1]),
    "a long signature": (KEY.public, KEY.sign(b"x") + b"\x00"),
    "another algorithm's key": (b"\x02" + KEY.public[1:], KEY.sign(b"x")),
    "another algorithm's signature": (KEY.public, b"\x02" + KEY.sign(b"x")[1:]),
    "nothing": (b"", b""),
}


@pytest.mark.parametrize(("key", "signature"), WIDTHS.values(), ids=WIDTHS.keys())
def test_widths_and_algorithm_bytes_are_exact(key: bytes, signature: bytes) -> None:
    """33 and 65 bytes, both beginning with 1."""
    assert not holds(key, signature, b"x")


@pytest.mark.parametrize(
    "key", [b"", KEY.public[1:], b"\x02" + KEY.public[1:], b"\x01" + bytes(32)]
)
def test_keys_that_are_none_do_not_enter(key: bytes) -> None:
    """Width, algorithm byte, point."""
    assert not enters(key)


def test_names_come_from_the_whole_key() -> None:
    """Key id and member id have domains of their own; a key prints its id alone."""
    assert domain_hash("key", KEY.public)[:16] == KEY.key_id == signing.key_id(KEY.public)
    assert domain_hash("member", KEY.public)[:16] == signing.member_id(KEY.public)
    assert "f197986bc4f178d5fb097ac82982b1b3" == KEY.key_id.hex()
    assert f"SigningKey({KEY.key_id.hex()})" == repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)


def test_random_keys_differ() -> None:
    """From the system's randomness."""
    first, second = SigningKey.random(), SigningKey.random()

    assert first.seed != second.seed
    assert enters(first.public)
