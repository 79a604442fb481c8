"""Attacks on transactions, each refused, or shown to be the same transaction."""

import pytest

from salus.base import codec
from salus.base.envelope import Envelope, signed_bytes
from salus.base.signing import SigningKey
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm
from tests.support.machine import Ledger

# The order of Ed25519's base point (RFC 8032 §5.1).
ORDER = 2**252 + 27742317777372353535851937790883648493
VIEW = DefineTerm(kind=1, number=1, text="VIEW")


@pytest.fixture
def ledger() -> Ledger:
    """Two members."""
    return Ledger(members=2)


def codes(ledger: Ledger, *envelopes: bytes) -> list[int]:
    """What came of each."""
    return [receipt.code for receipt in ledger.block(*envelopes).receipts]


def test_a_replay_is_refused(ledger: Ledger) -> None:
    """In the same block and in a later one: the nonce is spent."""
    data = ledger.sign(ledger.members[0], VIEW)

    assert [0, 14] == codes(ledger, data, data)
    assert [14] == codes(ledger, data)


def test_a_refused_message_spends_its_nonce(ledger: Ledger) -> None:
    """Nobody can send it again when the state has changed in its favour."""
    data = ledger.sign(ledger.members[0], DefineTerm(kind=9, number=1, text="X"))

    assert [9003, 14] == codes(ledger, data, data)


def test_another_networks_transaction_is_refused(ledger: Ledger) -> None:
    """The signature covers the network id."""
    key = ledger.members[0].transaction
    data = sign(b"\x01" * 32, key, [VIEW], nonce=0, until_ms=ledger.time_ms + 60_000)

    assert [8] == codes(ledger, data)


def test_a_stolen_body_under_another_key_is_refused(ledger: Ledger) -> None:
    """Another member's signature over the body is its own act; over the victim's key it fails."""
    victim, thief = ledger.members
    data = codec.decode(ledger.sign(victim, VIEW), Envelope)
    forged = thief.transaction.sign(signed_bytes(ledger.network, data.key, data.body))

    stolen = Envelope(body=data.body, key=data.key, sig=forged)

    assert [8] == codes(ledger, codec.encode(stolen))


def test_one_altered_bit_is_refused(ledger: Ledger) -> None:
    """Anywhere in the envelope; what still decodes fails at key or signature."""
    data = ledger.sign(ledger.members[0], VIEW)
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

        (code,) = codes(ledger, altered)

        assert 1 <= code <= 9, at


def test_every_cut_is_refused(ledger: Ledger) -> None:
    """A truncated envelope is malformed."""
    data = ledger.sign(ledger.members[0], VIEW)

    assert {2} == set(codes(ledger, *(data[:length] for length in range(len(data)))))


def test_a_second_signature_is_the_same_transaction(ledger: Ledger) -> None:
    """The id does not cover the signature, and S + L, which others accept, is refused."""
    data = ledger.sign(ledger.members[0], VIEW)
    envelope = codec.decode(data, Envelope)
    scalar = int.from_bytes(envelope.sig[33:], "little") + ORDER
    twin = Envelope(
        body=envelope.body,
        key=envelope.key,
        sig=envelope.sig[:33] + scalar.to_bytes(32, "little"),
    )

    form = ledger.machine.form
    assert form.read(data).id == form.read(codec.encode(twin)).id
    assert [8, 0] == codes(ledger, codec.encode(twin), data)


def test_a_nonce_twice_in_a_block_counts_once(ledger: Ledger) -> None:
    """Two different acts with one nonce: the first is done, the second refused."""
    first = ledger.sign(ledger.members[0], VIEW)
    second = ledger.sign(ledger.members[0], DefineTerm(kind=2, number=1, text="FILE"))

    assert [0, 14] == codes(ledger, first, second)


def test_a_strangers_key_is_refused(ledger: Ledger) -> None:
    """A sound signature by nobody's key."""
    data = ledger.sign(ledger.members[0], VIEW, key=SigningKey(b"\x44" * 32))

    assert [9] == codes(ledger, data)


def test_a_members_other_keys_do_not_act(ledger: Ledger) -> None:
    """Service, log and node keys sign their own things, never transactions."""
    actor = ledger.members[0]
    for key in (actor.service, actor.log, actor.node):
        assert [9] == codes(ledger, ledger.sign(actor, VIEW, key=key))
