"""SetAddress: where a node is reached and which certificates it shows."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from salus.base.errors import Refusal
from salus.modules.members import queries, refusals, rules
from salus.modules.members.events import AddressSet
from salus.modules.members.handlers import set_address
from salus.modules.members.messages import SetAddress
from tests.support.machine import Ledger, told


def certificate(seed: bytes) -> bytes:
    """A self-signed certificate as a node makes it."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=90))
        .sign(key, None)
        .public_bytes(Encoding.DER)
    )


GOOD = "https://node.example:8443/peer"
ADDRESSES = {
    "http": "http://node.example",
    "no host": "https://",
    "upper case": "https://Node.example",
    "a user": "https://me@node.example",
    "a query": "https://node.example/?a=1",
    "a space": "https://node.example/a b",
    "a line after": "https://node.example\n",
    "a long port": "https://node.example:123456",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_set_address_refuses_a_bad_address_first(ledger: Ledger, address: str) -> None:
    """Also where the certificate is wrong too."""
    with pytest.raises(refusals.AddressMalformed):
        set_address(
            ledger.context(ledger.members[0]), SetAddress(address=address, certificates=[b"x"])
        )


@pytest.mark.parametrize(
    "address", [GOOD, "https://a", "https://10.0.0.1:1", "https://[::1]:8080", "https://a.b/"]
)
def test_addresses_that_are_taken(address: str) -> None:
    """Names, numbers, ports and paths."""
    assert rules.is_address(address)


@pytest.mark.parametrize("fault", ["another's", "cut", "longer", "not DER", "empty"])
def test_set_address_refuses_a_bad_certificate(ledger: Ledger, fault: str) -> None:
    """A certificate is one whole DER sequence around a live service key of the member."""
    mine, theirs = ledger.members[:2]
    good = certificate(mine.service.seed)
    bad = {
        "another's": certificate(theirs.service.seed),
        "cut": good[:-1],
        "longer": good + b"\x00",
        "not DER": b"\x31" + good[1:],
        "empty": b"0",
    }[fault]
    refusal: type[Refusal] = refusals.CertificateMalformed

    with pytest.raises(refusal) as told_of:
        set_address(ledger.context(mine), SetAddress(address=GOOD, certificates=[good, bad]))

    assert 1 == told_of.value.position  # type: ignore[attr-defined]  # the refusal's own fact


def test_set_address_replaces_both(ledger: Ledger) -> None:
    """Address and certificates stand in the member's row."""
    actor = ledger.members[0]
    certificates = [certificate(actor.service.seed)]

    receipt = ledger.send(actor, SetAddress(address=GOOD, certificates=certificates))

    assert [AddressSet(member=actor.id)] == told(receipt.events, AddressSet)
    row = queries.member(ledger.context(), actor.id)
    assert row is not None
    assert (GOOD, certificates) == (row.address, row.certificates)


@pytest.mark.parametrize(
    "data", [b"\x30\x02ab", b"\x30\x81\x80" + bytes(128), b"\x30\x83\x00\x00\x01a"]
)
def test_der_without_the_key_is_no_certificate(data: bytes) -> None:
    """Short and long lengths are read; the key must be inside."""
    assert not rules.is_certificate(data, [b"\x01" + bytes(32)])


def test_a_short_der_value_with_the_key_is_taken() -> None:
    """The rule is DER around the key; the rest is for those who connect."""
    key = bytes(range(32))
    spki = bytes.fromhex("302a300506032b6570032100") + key

    assert rules.is_certificate(spki, [b"\x01" + key])
    assert not rules.is_certificate(spki, [b"\x02" + key])
