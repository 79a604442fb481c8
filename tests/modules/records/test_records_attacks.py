"""Receipts stolen, old, or made for another thing; each is refused on the real machine."""

import msgspec
import pytest

from salus.base.codec import encode
from salus.base.signing import SigningKey
from salus.modules.members.actions import Suspend, suspend
from salus.modules.records.messages import MemberReceipt
from salus.modules.records.queries import batch
from salus.modules.records.state import BATCH as BATCHES
from salus.sealed.acts import signed_bytes
from tests.modules.consent.world import new_ledger
from tests.modules.records.world import (
    BATCH,
    block_ms,
    commit,
    receipt_of,
    receipts,
    signed,
)
from tests.support.machine import Actor, Ledger

BATCH_EXISTS = 3_002
UNSORTED = 3_005
SIGNER_UNKNOWN = 3_006
TOO_OLD = 3_007
BAD_SIGNATURE = 3_009
TOO_FEW_STORED = 3_010
AUTHOR_DIFFERS = 3_018
MALFORMED = 3_019
DIFFERS = 3_020


@pytest.fixture
def ledger() -> Ledger:
    """Four members, each with a seat."""
    return new_ledger()


def send(ledger: Ledger, given: list[MemberReceipt], author: Actor | None = None) -> int:
    """The code of the batch with these receipts; nothing is written by a refusal."""
    code = ledger.send(author or ledger.members[0], commit(given)).code
    assert (code == 0) == (batch(ledger.context(), BATCH) is not None)
    return code


def test_a_receipt_of_another_network(ledger: Ledger) -> None:
    """Whether it names the other network or only was signed for it."""
    author = ledger.members[0]
    other = new_ledger(members=5)
    other.time_ms = ledger.time_ms
    lying = receipts(ledger, author, ledger.members, chain=other.network)
    signed_there = [
        signed(other, one, receipt_of(ledger, author))
        for one in sorted(ledger.members, key=lambda one: one.id)
    ]

    assert BAD_SIGNATURE == send(ledger, receipts(other, author, ledger.members))
    assert BAD_SIGNATURE == send(ledger, signed_there)
    assert DIFFERS == send(ledger, lying)


@pytest.mark.parametrize(
    "fields",
    [{"batch": bytes(16)}, {"root": bytes(32)}, {"bytes": 1_023}],
    ids=["batch", "root", "bytes"],
)
def test_a_receipt_of_another_batch(ledger: Ledger, fields: dict[str, bytes | int]) -> None:
    """Another id, another root, or another size: it was given for something else."""
    author = ledger.members[0]

    assert DIFFERS == send(ledger, receipts(ledger, author, ledger.members, **fields))


def test_a_receipt_of_another_member(ledger: Ledger) -> None:
    """One member cannot speak for two, nor a stranger for one, nor twice for itself."""
    author, honest, absent = ledger.members[:3]
    good = signed(ledger, honest, receipt_of(ledger, author))
    moved = msgspec.structs.replace(good, member=absent.id)
    forged = signed(ledger, absent, receipt_of(ledger, author), signer=honest)

    assert BAD_SIGNATURE == send(ledger, [moved])
    assert BAD_SIGNATURE == send(ledger, [forged])
    assert UNSORTED == send(ledger, [good, good, good])
    assert SIGNER_UNKNOWN == send(ledger, [signed(ledger, Actor(99), receipt_of(ledger, author))])


def test_only_a_service_key_gives_receipts(ledger: Ledger) -> None:
    """The transaction, log or node key of the same member does not."""
    author, member = ledger.members[:2]
    data = encode(receipt_of(ledger, author))
    keys: tuple[SigningKey, ...] = (member.transaction, member.log, member.node)
    for key in keys:
        signature = key.sign(signed_bytes("receipt", ledger.network, data))
        one = MemberReceipt(member=member.id, receipt=data, signature=signature)

        assert BAD_SIGNATURE == send(ledger, [one])


def test_a_signature_for_another_purpose(ledger: Ledger) -> None:
    """A signed sheet or container of the service key is no receipt."""
    author, member = ledger.members[:2]
    data = encode(receipt_of(ledger, author))
    for name in ("batch", "sheet", "place"):
        signature = member.service.sign(signed_bytes(name, ledger.network, data))
        one = MemberReceipt(member=member.id, receipt=data, signature=signature)

        assert BAD_SIGNATURE == send(ledger, [one])


def test_a_receipt_121_seconds_old(ledger: Ledger) -> None:
    """An author cannot hoard receipts until the members have dropped the container."""
    author = ledger.members[0]
    checked = block_ms(ledger) - 121_000

    assert TOO_OLD == send(ledger, receipts(ledger, author, ledger.members, checked=checked))


def test_authorship_cannot_be_stolen(ledger: Ledger) -> None:
    """A holder that commits another's container first is refused; its author then passes."""
    author, thief = ledger.members[:2]
    given = receipts(ledger, author, ledger.members)

    assert AUTHOR_DIFFERS == send(ledger, given, author=thief)
    assert send(ledger, given, author=author) == 0


def test_a_batch_is_committed_once(ledger: Ledger) -> None:
    """Neither its author nor another replaces it, in one transaction or a later one."""
    author = ledger.members[0]
    given = receipts(ledger, author, ledger.members)

    assert BATCH_EXISTS == ledger.send(author, commit(given), commit(given)).code
    assert {} == ledger.all_rows(BATCHES)
    assert send(ledger, given) == 0
    assert BATCH_EXISTS == ledger.send(author, commit(given)).code


def test_a_suspended_members_word_does_not_count(ledger: Ledger) -> None:
    """Nor does it count among those who must hold the batch."""
    author, gone = ledger.members[0], ledger.members[3]
    with ledger.trying() as ctx:
        suspend(ctx, Suspend(member=gone.id))

    assert SIGNER_UNKNOWN == send(ledger, receipts(ledger, author, ledger.members))
    assert send(ledger, receipts(ledger, author, ledger.members[:3])) == 0


def test_no_receipts_hold_nothing(ledger: Ledger) -> None:
    """An empty list is well-formed and refused."""
    assert TOO_FEW_STORED == send(ledger, [])


def test_hostile_receipts_are_a_refusal(ledger: Ledger) -> None:
    """Nesting, wrong types, cut or trailing bytes are ReceiptMalformed; over 512 B out of form."""
    author = ledger.members[0]
    good = signed(ledger, author, receipt_of(ledger, author))
    for hostile in (b"", b"\x91" * 512, b"\xc0", good.receipt + b"\x00", good.receipt[:-1]):
        assert MALFORMED == send(ledger, [msgspec.structs.replace(good, receipt=hostile)])

    assert 5 == send(ledger, [msgspec.structs.replace(good, receipt=bytes(513))])
