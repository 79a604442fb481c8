"""
Transactions: the form of signed bytes, checked without state (`ledger.md` §3.2).

    Envelope  {body: bin, key: bin 33, sig: bin 65}      `base/envelope.py`
    Body      {messages: [1..1000], nonce: int >= 0, until_ms: int}
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from salus.base import codec, signing
from salus.base.codec import Malformed, Struct
from salus.base.envelope import Envelope, signed_bytes, transaction_id
from salus.base.limits import MESSAGE_BYTES_MAX, MESSAGES_MAX, TRANSACTION_BYTES_MAX
from salus.base.types import Count, TimeMs
from salus.machine import refusals
from salus.machine.module import Message

KEY_IDS_KEPT = 4_096
"""Names of keys that are not hashed anew for every transaction; 100 B each."""

_key_id = lru_cache(KEY_IDS_KEPT)(signing.key_id)


class RawBody(Struct, frozen=True):
    """A body with its messages already encoded; for writing and for the canonical check."""

    messages: Sequence[msgspec.Raw]
    nonce: Count
    until_ms: TimeMs


class Transaction:
    """An envelope whose form holds; its signature may not have been checked yet."""

    __slots__ = (
        "body", "hash", "id", "key", "key_id", "message_bytes", "messages", "nonce", "sig", "size",
        "until_ms",
    )  # fmt: skip

    key: bytes
    key_id: bytes
    sig: bytes
    body: bytes
    messages: Sequence[Message]
    message_bytes: list[bytes]
    nonce: int
    until_ms: int
    id: bytes
    hash: bytes
    size: int


class Form:
    """Reads envelopes of one machine: it knows all messages of its modules."""

    def __init__(self, messages: Sequence[type[Message]]) -> None:
        """`messages`: every message type of the machine."""
        union: Any = messages[0]
        for message in messages[1:]:
            union = union | message
        self._body = msgspec.defstruct(
            "Body",
            [("messages", list[union]), ("nonce", Count), ("until_ms", TimeMs)],
            frozen=True,
            forbid_unknown_fields=True,
            omit_defaults=True,
        )

    def read(self, data: bytes) -> Transaction:
        """
        Decode an envelope and check its form; no state, no signature.

        Refuses, in this order: TransactionTooLarge, EnvelopeMalformed, EnvelopeNotCanonical,
        AlgorithmUnknown, BodyMalformed, TooManyMessages, BodyNotCanonical.
        """
        envelope = _read_envelope(data)
        try:
            body = codec.decode_loose(envelope.body, self._body)
        except Malformed:
            raise refusals.BodyMalformed from None
        encoded = [codec.encode(message) for message in body.messages]
        if not encoded or max(map(len, encoded)) > MESSAGE_BYTES_MAX:
            raise refusals.BodyMalformed
        if len(encoded) > MESSAGES_MAX:
            raise refusals.TooManyMessages(limit=MESSAGES_MAX, found=len(encoded))
        if _body_bytes(encoded, body.nonce, body.until_ms) != envelope.body:
            raise refusals.BodyNotCanonical
        return _transaction(data, envelope, body, encoded)


def check_signature(network: bytes, transaction: Transaction) -> None:
    """Refuses with SignatureInvalid unless the signature stands over the transmitted body."""
    if not has_signature(network, transaction):
        raise refusals.SignatureInvalid


def has_signature(network: bytes, transaction: Transaction) -> bool:
    """Whether the signature stands over the transmitted body."""
    try:
        signing.verify(
            transaction.key,
            transaction.sig,
            signed_bytes(network, transaction.key, transaction.body),
        )
    except signing.SignatureRefused:
        return False
    return True


def sign(
    network: bytes,
    key: signing.SigningKey,
    messages: Sequence[Message],
    *,
    nonce: int,
    until_ms: int,
) -> bytes:
    """The envelope of a new transaction."""
    body = _body_bytes([codec.encode(message) for message in messages], nonce, until_ms)
    signature = key.sign(signed_bytes(network, key.public, body))
    return codec.encode(Envelope(body=body, key=key.public, sig=signature))


def _read_envelope(data: bytes) -> Envelope:
    if len(data) > TRANSACTION_BYTES_MAX:
        raise refusals.TransactionTooLarge(limit_bytes=TRANSACTION_BYTES_MAX, found_bytes=len(data))
    try:
        envelope: Envelope = codec.decode_loose(data, Envelope)
    except Malformed:
        raise refusals.EnvelopeMalformed from None
    if codec.encode(envelope) != data:
        raise refusals.EnvelopeNotCanonical
    if envelope.key[0] != signing.ED25519 or envelope.sig[0] != signing.ED25519:
        raise refusals.AlgorithmUnknown
    return envelope


def _body_bytes(messages: Sequence[bytes], nonce: int, until_ms: int) -> bytes:
    raw = [msgspec.Raw(message) for message in messages]
    return codec.encode(RawBody(messages=raw, nonce=nonce, until_ms=until_ms))


def _transaction(
    data: bytes,
    envelope: Envelope,
    body: Any,
    encoded: list[bytes],
) -> Transaction:
    transaction = Transaction()
    transaction.key = envelope.key
    transaction.key_id = _key_id(envelope.key)
    transaction.sig = envelope.sig
    transaction.body = envelope.body
    transaction.messages = body.messages
    transaction.message_bytes = encoded
    transaction.nonce = body.nonce
    transaction.until_ms = body.until_ms
    transaction.id = transaction_id(envelope.key, envelope.body)
    transaction.hash = sha256(data).digest()
    transaction.size = len(data)
    return transaction
