"""The machine's own refusals 1-14 in order: each row also breaks every later rule it can."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.entry import TransactionEntry
from salus.base.envelope import Envelope, signed_bytes
from salus.base.hashing import sha256
from salus.base.signing import SigningKey
from salus.machine import refusals
from salus.machine.execute import Refused
from salus.machine.tables import KEY, NONCE, Nonce
from salus.machine.transaction import RawBody
from salus.modules.audit.messages import DefineTerm
from salus.modules.members.state import MEMBER
from tests.support.machine import BLOCK_MS, Ledger, told

DAY_MS = 86_400_000
STRANGER = SigningKey(b"\x33" * 32)
TERM = codec.encode(DefineTerm(kind=1, number=1, text="X"))
USED = Nonce(bits=bytes(31) + b"\x02", floor=5)
"""Nonces 0-4 and 6 are spent."""


@pytest.fixture
def ledger() -> Ledger:
    """One member whose transaction key has signed before."""
    ledger = Ledger(members=1)
    with ledger.trying() as ctx:
        ctx.write(NONCE, USED, ledger.members[0].transaction.key_id)
    return ledger


def envelope(ledger: Ledger, **changes: Any) -> bytes:
    """
    An envelope that passes but for `changes`.

    Fields of the body: messages (bytes each), nonce, until_ms; or the whole `body`. Of the
    envelope: `key` (signs), `alg` (first byte of key), `sig`.
    """
    key: SigningKey = changes.get("key", ledger.members[0].transaction)
    messages = changes.get("messages", [TERM])
    body = codec.encode(
        RawBody(
            messages=[msgspec.Raw(one) for one in messages],
            nonce=changes.get("nonce", 5),
            until_ms=changes.get("until_ms", ledger.time_ms + 60_000),
        )
    )
    body = changes.get("body", body)
    sig = changes.get("sig", key.sign(signed_bytes(ledger.network, key.public, body)))
    public = bytes([changes.get("alg", 1)]) + key.public[1:]
    return codec.encode(Envelope(body=body, key=public, sig=sig))


def uncanonical(data: bytes) -> bytes:
    """The same map with its first key's header one byte longer than needed."""
    assert data[1] & 0xE0 == 0xA0
    return data[:1] + b"\xd9" + bytes([data[1] & 0x1F]) + data[2:]


def rows(ledger: Ledger) -> dict[str, tuple[bytes, int]]:
    """Envelope -> code; a later row keeps what earlier rows break out of it."""
    now = ledger.time_ms + BLOCK_MS
    mine = ledger.members[0].transaction
    bad_sig = b"\x01" + bytes(64)
    stale: dict[str, Any] = {"nonce": 6, "until_ms": now - 1}
    strange: dict[str, Any] = {"key": STRANGER, **stale}
    unsigned: dict[str, Any] = {**strange, "sig": bad_sig}
    good_body = RawBody(messages=[msgspec.Raw(TERM)], nonce=5, until_ms=now)
    long_body = uncanonical(codec.encode(good_body))
    many = codec.encode(RawBody(messages=[msgspec.Raw(TERM)] * 1_001, nonce=5, until_ms=now))
    none = codec.encode(RawBody(messages=[], nonce=5, until_ms=now))
    unknown = {"messages": [codec.encode({"do": "audit.forget"})]}
    # The text's schema has no bound of its own: the message's does.
    large = {"messages": [codec.encode(DefineTerm(kind=1, number=1, text="x" * 65_536))]}
    return {
        "1 over 512 KiB of nothing": (b"\xc1" * 524_289, 1),
        "2 no bytes": (b"", 2),
        "2 a list": (b"\x93\xc4\x00\xc4\x00\xc4\x00", 2),
        "2 nested a thousand deep": (b"\x91" * 1_000 + b"\x90", 2),
        "2 a key of 32 bytes": (
            codec.encode({"body": b"", "key": bytes(32), "sig": bytes(65)}), 2),
        "2 cut": (envelope(ledger)[:-1], 2),
        "2 longer": (envelope(ledger) + b"\x00", 2),
        "3 a longer header, and a bad body": (
            uncanonical(envelope(ledger, alg=2, body=b"\xc1", **unsigned)), 3),
        "4 an unknown algorithm, and a bad body": (
            envelope(ledger, alg=2, body=b"\xc1", **unsigned), 4),
        "4 algorithms that differ, and a bad body": (
            envelope(ledger, key=STRANGER, body=b"\xc1", sig=b"\x02" + bytes(64)), 4),
        "5 a body of nothing": (envelope(ledger, body=b"", **unsigned), 5),
        "5 a bad body, unsigned": (envelope(ledger, body=b"\xc1", **unsigned), 5),
        "5 a body nested deep": (envelope(ledger, body=b"\x91" * 5_000 + b"\x90", **unsigned), 5),
        "5 an unknown message": (envelope(ledger, **unknown, **unsigned), 5),
        "5 an oversized message": (envelope(ledger, **large, **unsigned), 5),
        "5 no message": (envelope(ledger, body=none, **unsigned), 5),
        "5 a number over 2^53 - 1": (envelope(ledger, nonce=2**53, key=STRANGER), 5),
        "6 1,001 messages, and a longer header": (
            envelope(ledger, body=uncanonical(many), key=STRANGER, sig=bad_sig), 6),
        "7 a longer header, unsigned": (
            envelope(ledger, body=long_body, key=STRANGER, sig=bad_sig), 7),
        "8 a stranger's false signature": (envelope(ledger, **unsigned), 8),
        "8 signed by another": (
            envelope(ledger, sig=STRANGER.sign(b"x"), **stale), 8),
        "9 a stranger, expired": (envelope(ledger, **strange), 9),
        "11 expired, nonce used": (envelope(ledger, **stale), 11),
        "12 over a day ahead, nonce used": (
            envelope(ledger, nonce=6, until_ms=now + DAY_MS + 1), 12),
        "13 a nonce 65,536 above the floor": (envelope(ledger, nonce=5 + 65_536), 13),
        "14 a nonce spent": (envelope(ledger, nonce=6), 14),
        "14 a nonce below the floor": (envelope(ledger, nonce=4), 14),
        "0 all as it should be": (envelope(ledger, key=mine), 0),
        "0 its last moment": (envelope(ledger, until_ms=now), 0),
        "0 a day ahead": (envelope(ledger, until_ms=now + DAY_MS), 0),
        "0 the farthest nonce": (envelope(ledger, nonce=5 + 65_535), 0),
    }  # fmt: skip


ROWS = tuple(rows(Ledger(members=1)))


@pytest.mark.parametrize("row", ROWS)
def test_transactions_are_refused_in_order(ledger: Ledger, row: str) -> None:
    """The first refusal is the one told; codes 1-14 change nothing but the log."""
    data, code = rows(ledger)[row]
    before = dict(ledger.rows)

    outcome = ledger.block(data)

    receipt = outcome.receipts[0]
    assert code == receipt.code
    entry = codec.decode(outcome.entries[0], TransactionEntry)
    assert (code, sha256(data)) == (entry.code, entry.tx)
    if code:
        assert [Refused(code=code)] == told(receipt.events, Refused)
        assert before == ledger.rows
        assert (code <= 8) == (entry.signer == bytes(16))
        assert (code <= 8) == (entry.message_count == 0)


def test_every_refusal_of_the_machine_has_a_row() -> None:
    """10 (KeyInactive) has its own tests below, for it needs another state."""
    tried = {int(row.split()[0]) for row in ROWS}

    assert set(range(15)) - {10} == tried
    assert list(range(1, 15)) == [refusal.number for refusal in refusals.REFUSALS]


@pytest.mark.parametrize("reason", ["not yet", "retired", "member suspended"])
def test_an_inactive_key_is_refused_before_expiry(ledger: Ledger, reason: str) -> None:
    """10 is told though the transaction expired, too."""
    actor = ledger.members[0]
    with ledger.trying() as ctx:
        key = ctx.read(KEY, actor.transaction.key_id)
        member = ctx.read(MEMBER, actor.id)
        assert key is not None
        assert member is not None
        if reason == "not yet":
            key = replace(key, from_ms=ctx.time_ms + 1)
        if reason == "retired":
            key = replace(key, retired_ms=ctx.time_ms)
        if reason == "member suspended":
            ctx.write(MEMBER, replace(member, status="suspended"), actor.id)
        ctx.write(KEY, key, actor.transaction.key_id)

    outcome = ledger.block(envelope(ledger, until_ms=0, nonce=6))

    assert 10 == outcome.receipts[0].code


def test_a_vote_can_shorten_the_lifetime() -> None:
    """12 uses `machine.lifetime_ms`."""
    ledger = Ledger(members=1, parameters={"machine.lifetime_ms": 60_000})
    now = ledger.time_ms + BLOCK_MS

    ok = ledger.block(envelope(ledger, nonce=0, until_ms=now + 60_000)).receipts[0]
    late = ledger.block(envelope(ledger, nonce=1, until_ms=now + 61_001)).receipts[0]

    assert (0, 12) == (ok.code, late.code)
