"""Certificates: what is in one, what a caller trusts, and how one follows another."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.modules.members import rules
from salus.node import tls
from salus.node.tls import DAY_MS, OwnCertificates
from tests.support.machine import GENESIS_MS

KEY = SigningKey(bytes(range(32)))
MEMBER = bytes(range(16))


def make(now_ms: int = GENESIS_MS, days: int = 10) -> bytes:
    """A certificate of KEY."""
    return tls.make_certificate(KEY, MEMBER, now_ms, days)


def test_a_certificate_names_its_member_and_vouches_for_nobody() -> None:
    """Ed25519 of the service key, signed by itself, CA false, valid from an hour ago."""
    read = x509.load_der_x509_certificate(make())
    read.verify_directly_issued_by(read)

    constraints = read.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (True, False) == (constraints.critical, constraints.value.ca)
    (name,) = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert MEMBER.hex() == name.value
    assert KEY.public == tls.certificate_key(make())
    assert GENESIS_MS - tls.EARLY_MS + 10 * DAY_MS == tls.until_ms(make())
    assert GENESIS_MS - tls.EARLY_MS == read.not_valid_before_utc.timestamp() * 1000


def test_its_days_are_told() -> None:
    """For people who meet one that is over; other bytes have none."""
    made = make(days=5)

    assert "one from 2025-11-24 to 2025-11-29" == tls.period(made)
    assert "none" == tls.period(b"other")


def test_the_ledger_takes_it() -> None:
    """`members.set_address` accepts it with the member's service key, and with no other."""
    assert rules.is_certificate(make(), [KEY.public])
    assert not rules.is_certificate(make(), [SigningKey.random().public])
    assert len(make()) <= 1024


def test_a_file_may_be_der_or_pem(tmp_path: Path) -> None:
    """Both are read as the same bytes; all else is refused without an echo."""
    pem = x509.load_der_x509_certificate(make_once := make()).public_bytes(Encoding.PEM)
    for data in (make_once, pem):
        (tmp_path / "one.crt").write_bytes(data)
        assert make_once == tls.read_certificate(tmp_path / "one.crt")
    for data in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n", make_once[:-1], foreign_key()):
        (tmp_path / "one.crt").write_bytes(data)
        with pytest.raises(Problem, match="CertificateMalformed"):
            tls.read_certificate(tmp_path / "one.crt")


def foreign_key() -> bytes:
    """A certificate of a key that no member has: ECDSA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    sound = x509.load_der_x509_certificate(make())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(sound.not_valid_before_utc)
    builder = builder.not_valid_after(sound.not_valid_after_utc)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_caller_trusts_the_pinned_alone() -> None:
    """TLS 1.3 and nothing older, a certificate required, none of the system's authorities."""
    context = tls.client_context([make(), make()])

    assert ssl.TLSVersion.TLSv1_3 == context.minimum_version
    assert ssl.CERT_REQUIRED == context.verify_mode
    assert 2 == context.cert_store_stats()["x509"]
    assert 0 == tls.client_context([]).cert_store_stats()["x509"]


def test_a_servers_files_are_gone_afterwards() -> None:
    """Key and certificate, mode 0600, only inside the block."""
    certificate = make()
    with tls.server_files(KEY, certificate) as files:
        assert 0o600 == stat.S_IMODE(files.key.stat().st_mode)
        assert 0o700 == stat.S_IMODE(files.key.parent.stat().st_mode)
        key = load_pem_private_key(files.key.read_bytes(), None)
        assert KEY.public[1:] == key.public_key().public_bytes_raw()  # type: ignore[union-attr]  # Ed25519
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)

    assert not files.key.parent.exists()


def own(folder: Path, now_ms: int, key: SigningKey = KEY) -> OwnCertificates:
    """A member's own, as a start finds them."""
    return OwnCertificates(folder, key, MEMBER, now_ms)


def test_a_restart_keeps_the_certificate(tmp_path: Path) -> None:
    """A peer that pinned it still knows the member."""
    first = own(tmp_path, GENESIS_MS).serving([])

    assert first == own(tmp_path, GENESIS_MS + DAY_MS).serving([])
    assert [first] == own(tmp_path, GENESIS_MS + DAY_MS).to_announce([first])


def test_the_next_certificate_serves_once_the_ledger_names_it(tmp_path: Path) -> None:
    """Near the end both are announced; the old one serves until the new one stands there."""
    first = own(tmp_path, GENESIS_MS).serving([])
    late_ms = GENESIS_MS + (tls.LIFE_DAYS - tls.RENEW_DAYS + 1) * DAY_MS
    both = own(tmp_path, late_ms)

    assert first == both.serving([first])
    announced = both.to_announce([first])
    assert (first, 2) == (announced[0], len(announced))
    again = own(tmp_path, late_ms + DAY_MS)
    assert announced[1] == again.serving(announced)
    assert [announced[1]] == again.to_announce(announced)


def test_an_expired_certificate_is_replaced(tmp_path: Path) -> None:
    """A node that was off for two years starts with one that counts."""
    own(tmp_path, GENESIS_MS)
    later_ms = GENESIS_MS + 2 * tls.LIFE_DAYS * DAY_MS
    serving = own(tmp_path, later_ms).serving([])

    assert tls.until_ms(serving) > later_ms


def test_another_service_key_has_certificates_of_its_own(tmp_path: Path) -> None:
    """Files of a former key are left alone and never shown."""
    own(tmp_path, GENESIS_MS)
    other = SigningKey.random()

    assert other.public == tls.certificate_key(own(tmp_path, GENESIS_MS, other).serving([]))
