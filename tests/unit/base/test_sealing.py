"""Derived keys, seals and padding against the RFCs and an HPKE written a second time."""

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from salus.base import sealing
from salus.base.sealing import (
    LABELS,
    MAIL_STEPS_BYTES,
    PaddingRefused,
    SealingKey,
    SealRefused,
    pad_package,
    padme_bytes,
    seal,
    unpad_package,
)
from salus.base.signing import KeyRefused

CHAIN = bytes(range(32))
KEY = SealingKey(bytes([7]) * 32)
H = bytes.fromhex

RFC_5869 = {
    "A.1": (
        b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    "A.2": (
        bytes(range(80)), bytes(range(0x60, 0xB0)), bytes(range(0xB0, 0x100)), 82,
        ("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    ),
    "A.3": (
        b"\x0b" * 22, b"", b"", 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}  # fmt: skip
"""Input, salt, info, length and output of the test cases for SHA-256."""


@pytest.mark.parametrize(
    ("secret", "salt", "info", "length", "expected"), RFC_5869.values(), ids=RFC_5869.keys()
)
def test_the_library_follows_rfc_5869(
    secret: bytes, salt: bytes, info: bytes, length: int, expected: str
) -> None:
    """The HKDF that `derive` is compared with gives the RFC's values."""
    key = HKDF(SHA256(), length, salt, info).derive(secret)

    assert expected == key.hex()


def test_extract_is_rfc_5869_a3() -> None:
    """Extraction without salt gives the RFC's pseudorandom key."""
    expected = "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"

    assert expected == sealing.extract(b"\x0b" * 22).hex()


@given(st.binary(min_size=1, max_size=64), st.sampled_from(sorted(LABELS)), st.binary(max_size=99))
def test_derive_is_hkdf(secret: bytes, label: str, context: bytes) -> None:
    """`derive` is HKDF-SHA256 with no salt and info "salus/1/" ‖ label ‖ 0 ‖ context."""
    info = b"salus/1/" + label.encode() + b"\x00" + context
    expected = HKDF(SHA256(), 32, None, info).derive(secret)

    assert expected == sealing.derive(secret, label, context)


def test_an_unlisted_label_is_an_error() -> None:
    """A label must be listed, or two purposes could share one unseen."""
    with pytest.raises(KeyError):
        sealing.derive(bytes(32), "unlisted")


def test_labels_cannot_run_together() -> None:
    """No label holds the zero byte that ends it."""
    assert all("\x00" not in label and label.isascii() for label in LABELS)


def hpke_key(
    shared_point: bytes, enc: bytes, public: bytes, info: bytes, aead: int
) -> tuple[bytes, bytes]:
    """Give key and nonce of RFC 9180 base mode with X25519 and HKDF-SHA256, step by step."""

    def labelled_extract(salt: bytes, suite: bytes, label: bytes, value: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + value, "sha256")

    def labelled_expand(key: bytes, suite: bytes, label: bytes, info: bytes, size: int) -> bytes:
        data = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return hmac.digest(key, data + b"\x01", "sha256")[:size]

    kem = b"KEM" + H("0020")
    suite = b"HPKE" + H("0020") + H("0001") + aead.to_bytes(2, "big")
    first = labelled_extract(b"", kem, b"eae_prk", shared_point)
    shared = labelled_expand(first, kem, b"shared_secret", enc + public, 32)
    context = b"\x00" + labelled_extract(b"", suite, b"psk_id_hash", b"")
    context += labelled_extract(b"", suite, b"info_hash", info)
    secret = labelled_extract(shared, suite, b"secret", b"")
    key = labelled_expand(secret, suite, b"key", context, {1: 16, 2: 32}[aead])
    return key, labelled_expand(secret, suite, b"base_nonce", context, 12)


def test_the_second_hpke_follows_rfc_9180() -> None:
    """The HPKE written here gives appendix A.1.1's first ciphertext."""
    enc = H("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    public = H("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
    private = H("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    point = bindings.crypto_scalarmult(private, enc)
    key, nonce = hpke_key(point, enc, public, b"Ode on a Grecian Urn", aead=1)
    ciphertext = AESGCM(key).encrypt(nonce, b"Beauty is truth, truth beauty", b"Count-0")
    expected = (
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    )

    assert expected == ciphertext.hex()


def test_a_seal_opens_by_the_second_hpke() -> None:
    """What `seal` makes is HPKE base mode with AES-256-GCM and the documented info."""
    sealed = seal(KEY.public, b"a secret", "mail", CHAIN, b"fields")
    enc, ciphertext = sealed[:32], sealed[32:]
    point = bindings.crypto_scalarmult(KEY.private, enc)
    info = b"salus/1/mail\x00" + CHAIN + b"fields"
    key, nonce = hpke_key(point, enc, KEY.bare, info, aead=2)

    assert b"a secret" == AESGCM(key).decrypt(nonce, ciphertext, None)


def test_unseal_opens_the_second_hpke() -> None:
    """`unseal` opens what another implementation seals."""
    ephemeral = bytes([9]) * 32
    enc = sealing.bare_public(ephemeral)
    point = bindings.crypto_scalarmult(ephemeral, KEY.bare)
    key, nonce = hpke_key(point, enc, KEY.bare, b"salus/1/mail\x00" + CHAIN, aead=2)
    sealed = enc + AESGCM(key).encrypt(nonce, b"a secret", None)

    assert b"a secret" == KEY.unseal(sealed, "mail", CHAIN)


def test_a_seal_of_32_bytes_takes_80() -> None:
    """A seal adds the encapsulated key and the tag; a slot key stands without its byte."""
    sealed = seal(KEY.bare, bytes(32), "patient-lock", CHAIN)

    assert 80 == len(sealed)
    assert bytes(32) == KEY.unseal(sealed, "patient-lock", CHAIN)


ELSEWHERE = {
    "another label": ("notice", CHAIN, b"fields"),
    "another chain": ("mail", bytes(32), b"fields"),
    "other fields": ("mail", CHAIN, b"field"),
}


@pytest.mark.parametrize(("label", "chain", "fields"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_seal_opens_in_its_place_alone(label: str, chain: bytes, fields: bytes) -> None:
    """Label, chain and fields are all bound."""
    sealed = seal(KEY.public, b"x", "mail", CHAIN, b"fields")
    with pytest.raises(SealRefused):
        KEY.unseal(sealed, label, chain, fields)


@pytest.mark.parametrize("sealed", [b"", bytes(47), bytes(80)])
def test_garbage_does_not_open(sealed: bytes) -> None:
    """Short and zero seals are refused by the same error."""
    with pytest.raises(SealRefused):
        KEY.unseal(sealed, "mail", CHAIN)


REFUSED_KEYS = {
    "too short": bytes(31),
    "an unknown algorithm": b"\x02" + KEY.bare,
    "a point of small order": bytes(32),
    "a hybrid key": b"\x02" + bytes(1_216),
}


@pytest.mark.parametrize("public", REFUSED_KEYS.values(), ids=REFUSED_KEYS.keys())
def test_seal_refuses_a_bad_key(public: bytes) -> None:
    """A key to which one cannot seal is refused before anything leaves."""
    with pytest.raises(KeyRefused):
        seal(public, b"x", "mail", CHAIN)


def test_both_libraries_give_one_public_key() -> None:
    """The base point of libsodium and the X25519 of `cryptography` agree."""
    private = bytes([3]) * 32

    assert SealingKey(private).bare == sealing.bare_public(private)


def test_a_key_shows_no_secret() -> None:
    """The text of a key holds its public half's start alone."""
    assert KEY.private.hex() not in repr(KEY)
    assert b"\x01" + KEY.bare == KEY.public
    assert SealingKey.random().bare != SealingKey.random().bare


def test_encrypt_once_binds_its_place() -> None:
    """A record's ciphertext opens by its key in its place alone."""
    ciphertext = sealing.encrypt_once(bytes(32), b"text", b"here")

    assert b"text" == sealing.decrypt_once(bytes(32), ciphertext, b"here")
    with pytest.raises(SealRefused):
        sealing.decrypt_once(bytes(32), ciphertext, b"there")
    with pytest.raises(SealRefused):
        sealing.decrypt_once(bytes(31) + b"\x01", ciphertext, b"here")


PADME = {0: 256, 256: 256, 257: 272, 1_000: 1_024, 1_025: 1_088, 4_097: 4_352, 1 << 20: 1 << 20}


@pytest.mark.parametrize(("length", "expected"), PADME.items())
def test_padme_sizes(length: int, expected: int) -> None:
    """At least 256, then the low E − S bits are zero."""
    assert expected == padme_bytes(length)


@given(st.integers(256, 1 << 25))
def test_padme_costs_little(length: int) -> None:
    """Padding never shrinks, is its own fixed point, and adds at most 6.3 %."""
    padded = padme_bytes(length)

    assert length <= padded <= length * 1.063
    assert padded == padme_bytes(padded)


@given(st.binary(max_size=5_000))
def test_a_package_comes_back(plain: bytes) -> None:
    """A package has one of four sizes and gives its bytes back."""
    padded = pad_package(plain)

    assert len(padded) in {1_024, 4_096, 16_384, 65_536}
    assert plain == unpad_package(padded)


def test_a_package_has_an_end() -> None:
    """64 KiB hold four bytes less; mail stops at 4 KiB."""
    assert 65_536 == len(pad_package(bytes(65_532)))
    with pytest.raises(PaddingRefused):
        pad_package(bytes(65_533))
    with pytest.raises(PaddingRefused):
        pad_package(bytes(4_093), MAIL_STEPS_BYTES)


NOT_PADDED = {
    "empty": b"",
    "a size of its own": pad_package(b"x")[:-1],
    "a larger step than needed": pad_package(b"x").ljust(4_096, b"\x00"),
    "something behind the zeros": pad_package(b"x")[:-1] + b"\x01",
    "a length beyond the end": b"\x00\x00\x04\x00" + bytes(1_020),
}


@pytest.mark.parametrize("padded", NOT_PADDED.values(), ids=NOT_PADDED.keys())
def test_unpad_takes_one_form(padded: bytes) -> None:
    """One package, one padded form."""
    with pytest.raises(PaddingRefused):
        unpad_package(padded)
