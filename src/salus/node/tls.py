"""
Who stands at the other end of a line between members: TLS 1.3 and pinned certificates.

No authority vouches for anybody. A member's certificate is signed by its own service key, its bytes
stand in the member's row on the ledger, and whoever calls accepts exactly those bytes
(`security.md` §6, `corrections-interop-security.md` 10). A row may hold two, so that one can follow
the other without a gap.

Who calls is told by the request's signature (`signed_request.py`): a caller shows no certificate.
"""

import datetime as dt
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from salus.base.errors import Category, Problem
from salus.base.signing import ED25519, SigningKey
from salus.base.types import DAY_MS, HOUR_MS
from salus.node.small_file import write_whole

LIFE_DAYS = 397
"""How long a certificate counts: thirteen months, so that its change is practised every year."""

RENEW_DAYS = 90
"""With less than this left a start makes the next one."""

EARLY_MS = HOUR_MS
"""A certificate counts from an hour before it was made: clocks differ."""

CERTIFICATES_MAX = 2
"""What a member's row holds (`members.set_address`)."""

_MEMORY = Path("/dev/shm")  # noqa: S108 (only a folder of mode 0700 is made in it)
"""Linux's folder in memory: a key written there reaches no disk."""


def make_certificate(
    service: SigningKey, member: bytes, now_ms: int, days: int = LIFE_DAYS
) -> bytes:
    """
    Sign a certificate of a service key by itself; DER (RFC 5280), about 300 B.

    Ed25519 (RFC 8410), subject and issuer the member's id (16 B) in hex, CA false: it vouches for
    nobody else.
    """
    key = Ed25519PrivateKey.from_private_bytes(service.seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, member.hex())])
    start = _moment(now_ms - EARLY_MS)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return builder.sign(key, None).public_bytes(serialization.Encoding.DER)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the DER in hex: what two operators compare by eye."""
    return hashlib.sha256(certificate).hexdigest()


def certificate_key(certificate: bytes) -> bytes:
    """The Ed25519 key inside, 33 B as on the ledger; raises Problem CertificateMalformed."""
    key = _read(certificate).public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise _malformed("a key of another kind")
    return bytes([ED25519]) + key.public_bytes_raw()


def until_ms(certificate: bytes) -> int:
    """When it ends, ms since 1970 UTC; raises Problem CertificateMalformed."""
    return int(_read(certificate).not_valid_after_utc.timestamp() * 1000)


def period(certificate: bytes) -> str:
    """From when until when it counts, for people; "none" for other bytes."""
    try:
        found = _read(certificate)
    except Problem:
        return "none"
    return f"one from {found.not_valid_before_utc:%Y-%m-%d} to {found.not_valid_after_utc:%Y-%m-%d}"


def read_certificate(path: Path) -> bytes:
    """A certificate file, DER or PEM, as DER; raises Problem CertificateMalformed."""
    try:
        data = path.read_bytes()
        if data.startswith(b"-----BEGIN"):
            found = x509.load_pem_x509_certificate(data)
            return found.public_bytes(serialization.Encoding.DER)
    except (OSError, ValueError):
        raise _malformed(f"none in {path.name}") from None
    certificate_key(data)
    return data


def client_context(certificates: Sequence[bytes]) -> ssl.SSLContext:
    """
    A caller's context that trusts exactly these certificates and speaks TLS 1.3 only.

    Names are not looked at: a certificate is known by its bytes, wherever its member's node stands.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # Each stands for itself: without this, OpenSSL finds the first of two with one subject only.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificate in certificates:
        context.load_verify_locations(cadata=certificate)
    return context


@dataclass(frozen=True)
class ServerFiles:
    """Where a server finds its certificate and key, both PEM."""

    certificate: Path
    key: Path


@contextmanager
def server_files(service: SigningKey, certificate: bytes) -> Iterator[ServerFiles]:
    """
    Write certificate and plain key for a server that reads files, and take them away again.

    In memory where the system has a folder there; mode 0600 in a folder of 0700. Leave the block
    once the server has read them.
    """
    memory = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="salus-", dir=memory) as folder:
        files = ServerFiles(Path(folder) / "certificate.pem", Path(folder) / "key.pem")
        pem = _read(certificate).public_bytes(serialization.Encoding.PEM)
        write_whole(files.certificate, pem)
        key = Ed25519PrivateKey.from_private_bytes(service.seed).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_whole(files.key, key)
        yield files


class OwnCertificates:
    """
    A member's own certificates: one that serves and, near its end, the next.

    The next one serves once the ledger names it, so every peer can know it before it meets it. The
    folder is that of the keys: a lost node folder does not change who a member is.
    """

    def __init__(self, folder: Path, service: SigningKey, member: bytes, now_ms: int) -> None:
        """Read what is there; make the first, or near its end the next. `folder` exists."""
        self._folder = folder
        self._known = [
            one
            for one in map(read_certificate, sorted(folder.glob("peer-*.crt")))
            if certificate_key(one) == service.public and until_ms(one) > now_ms
        ][-CERTIFICATES_MAX:]
        if not self._known or until_ms(self._known[-1]) < now_ms + RENEW_DAYS * DAY_MS:
            self._add(make_certificate(service, member, now_ms))

    def serving(self, on_ledger: Sequence[bytes]) -> bytes:
        """The newest that the ledger names; the oldest there is while it names none."""
        named = [one for one in self._known if one in on_ledger]
        return named[-1] if named else self._known[0]

    def to_announce(self, on_ledger: Sequence[bytes]) -> list[bytes]:
        """What the member's row should hold: the one that serves, and those after it."""
        first = self._known.index(self.serving(on_ledger))
        return self._known[first:]

    def _add(self, certificate: bytes) -> None:
        path = self._folder / f"peer-{until_ms(certificate):015d}.crt"
        write_whole(path, certificate)
        self._known = [*self._known, certificate][-CERTIFICATES_MAX:]


def _read(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(certificate)
    except ValueError:
        raise _malformed("other bytes") from None


def _malformed(found: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "CertificateMalformed",
        f"expected an X.509 certificate of an Ed25519 key, found {found}",
    )


def _moment(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms // 1000, tz=dt.UTC)
