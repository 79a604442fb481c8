"""A batch counts once enough members hold it, by their own fresh word, for its own author."""

from typing import Any

import msgspec
import pytest

from salus.base.errors import Refusal
from salus.base.limits import CONTAINER_BYTES_MAX
from salus.modules.consent.actions import SetSeats, set_seats
from salus.modules.consent.state import Holder
from salus.modules.members.messages import AddKey, RetireKey
from salus.modules.members.rules import add_key_bytes
from salus.modules.members.state import SERVICE
from salus.modules.records import refusals, rules
from salus.modules.records.events import BatchCommitted
from salus.modules.records.handlers import commit_batch
from salus.modules.records.messages import MemberReceipt
from salus.modules.records.queries import batch, copies_needed
from salus.modules.records.state import BATCH as BATCHES
from salus.modules.records.state import Batch
from salus.sealed.receipts import SHARE_ACCEPTED, STORED
from tests.modules.consent.world import new_ledger
from tests.modules.consent.world import rows as spoiled_rows
from tests.modules.records.world import (
    BATCH,
    BOTH,
    BYTES,
    ROOT,
    block_ms,
    commit,
    receipt_of,
    receipts,
    signed,
    twin,
)
from tests.support.machine import Actor, Ledger, told

KNOWN = b"\x63" * 16
STRANGER = Actor(99)
MAX = CONTAINER_BYTES_MAX


def ledger_with_batch() -> tuple[Ledger, Actor]:
    """Four members with seats, a batch KNOWN, and the author of the next one."""
    ledger = new_ledger()
    row = Batch(author=bytes(16), bytes=1, root=ROOT, stored=[0], time_ms=0)
    with ledger.trying() as ctx:
        ctx.write(BATCHES, row, KNOWN)
    return ledger, ledger.members[0]


def spoil(ledger: Ledger, author: Actor, spoiled: dict[str, Any]) -> list[MemberReceipt]:
    """One receipt, spoiled where asked; with `unsorted` twice."""
    member = spoiled.get("member", author)
    named = {
        "author": ledger.members[1].id if spoiled.get("stolen") else author.id,
        "checked": block_ms(ledger) + spoiled.get("checked_after_ms", 0),
        "root": bytes(32) if spoiled.get("differs") else ROOT,
        "roles": spoiled.get("roles", BOTH),
    }
    receipt = receipt_of(ledger, author, **named)
    one = signed(ledger, member, receipt, signer=spoiled.get("signer"))
    if spoiled.get("malformed"):
        one = msgspec.structs.replace(one, receipt=twin(receipt))
    return [one, one] if spoiled.get("unsorted") else [one]


ROWS = spoiled_rows(
    {
        refusals.BatchExists: {"batch": KNOWN},
        refusals.SeatsNotCurrent: {"seats": 0},
        refusals.BatchTooLarge: {"bytes": MAX + 1},
        refusals.ReceiptsUnsorted: {"unsorted": True},
        refusals.ReceiptSignerUnknown: {"member": STRANGER},
        refusals.ReceiptMalformed: {"malformed": True},
        refusals.ReceiptTooOld: {"checked_after_ms": -120_001},
        refusals.ReceiptInFuture: {"checked_after_ms": 1},
        refusals.ReceiptBadSignature: {"signer": STRANGER},
        refusals.AuthorDiffers: {"stolen": True},
        refusals.ReceiptDiffers: {"differs": True},
        refusals.TooFewStored: {"roles": SHARE_ACCEPTED},
        refusals.TooFewShares: {},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), ROWS[:-1])
def test_commit_batch_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger, author = ledger_with_batch()
    fields = {name: spoiled[name] for name in ("batch", "seats", "bytes") if name in spoiled}

    with pytest.raises(refusal):
        commit_batch(ledger.context(author), commit(spoil(ledger, author, spoiled), **fields))


def test_commit_batch_refuses_too_few_shares_last() -> None:
    """Stored by all four, but two seats of four accepted their shares: three are needed."""
    ledger, author = ledger_with_batch()
    by_all = receipts(ledger, author, ledger.members, roles=STORED)
    by_two = {one.member: one for one in receipts(ledger, author, ledger.members[:2])}
    mixed = [by_two.get(one.member, one) for one in by_all]

    with pytest.raises(refusals.TooFewShares):
        commit_batch(ledger.context(author), commit(mixed))


def test_commit_batch() -> None:
    """The row names author, size, root, holders by number and time; the event less."""
    ledger, author = ledger_with_batch()
    receipt = ledger.send(author, commit(receipts(ledger, author, ledger.members[1:])))
    expected = Batch(
        author=author.id, bytes=BYTES, root=ROOT, stored=[1, 2, 3], time_ms=ledger.time_ms
    )

    assert receipt.code == 0
    assert expected == batch(ledger.context(), BATCH)
    assert [BatchCommitted(author=author.id, batch=BATCH, root=ROOT)] == told(
        receipt.events, BatchCommitted
    )


@pytest.mark.parametrize(
    ("active", "copies", "needed"),
    [(1, 3, 1), (2, 3, 2), (3, 2, 2), (3, 3, 3), (4, 3, 3), (64, 7, 7)],
)
def test_copies_needed(active: int, copies: int, needed: int) -> None:
    """The smaller of active members and `vault.copies` (corrections 16)."""
    assert needed == rules.copies_needed(active, copies)


@pytest.mark.parametrize("members", [1, 2, 3, 4])
def test_exactly_r_holders_suffice(members: int) -> None:
    """With r holders it passes, with one less it does not; all seats accept their shares."""
    ledger = new_ledger(members=members)
    author = ledger.members[0]
    needed = copies_needed(ledger.context())
    assert min(members, 3) == needed

    def given(storing: int) -> list[MemberReceipt]:
        ordered = sorted(ledger.members, key=lambda one: one.id)
        return [
            signed(
                ledger,
                one,
                receipt_of(ledger, author, roles=BOTH if place < storing else SHARE_ACCEPTED),
            )
            for place, one in enumerate(ordered)
        ]

    with pytest.raises(refusals.TooFewStored) as refused:
        commit_batch(ledger.context(author), commit(given(needed - 1)))
    commit_batch(ledger.context(author), commit(given(needed)))

    assert (needed, needed - 1) == (refused.value.needed, refused.value.found)


@pytest.mark.parametrize(
    ("before_ms", "code"), [(0, 0), (120_000, 0), (120_001, 3_007), (-1, 3_008)]
)
def test_a_receipt_counts_for_120_seconds(before_ms: int, code: int) -> None:
    """From its own block's time, inclusive, for 120 s, inclusive; never before."""
    ledger, author = ledger_with_batch()
    checked = block_ms(ledger) - before_ms
    given = receipts(ledger, author, ledger.members, checked=checked)

    assert code == ledger.send(author, commit(given)).code


def test_the_largest_container_passes() -> None:
    """32 MiB is allowed."""
    ledger, author = ledger_with_batch()
    given = receipts(ledger, author, ledger.members, bytes=MAX)

    assert ledger.send(author, commit(given, bytes=MAX)).code == 0


def test_shares_count_by_the_seats_the_batch_names() -> None:
    """A member without a seat in that version adds no share; the former version holds an hour."""
    ledger, author = ledger_with_batch()
    newcomer = ledger.members[3]
    seats = [Holder(member=one.id, x=x) for x, one in enumerate(ledger.members[:3], start=1)]
    with ledger.trying() as ctx:
        set_seats(ctx, SetSeats(holders=seats))
    outside = receipts(ledger, author, [*ledger.members[:2], newcomer])

    assert 3_011 == ledger.send(author, commit(outside, seats=2)).code
    assert ledger.send(author, commit(outside, seats=1)).code == 0


def test_a_service_key_counts_until_it_is_retired() -> None:
    """Old and new key both sign while both live; a retired one signs nothing more."""
    ledger, author = ledger_with_batch()
    member = ledger.members[1]
    old, fresh = member.service, Actor(98).service
    proof = fresh.sign(add_key_bytes(ledger.network, member.id, SERVICE, fresh.public))
    added = ledger.send(member, AddKey(use=SERVICE, key=fresh.public, proof=proof))
    assert added.code == 0

    def code(batch_id: bytes) -> int:
        given = receipts(ledger, author, ledger.members[1:], batch=batch_id)
        return ledger.send(author, commit(given, batch=batch_id)).code

    assert code(b"\x01" * 16) == 0
    member.service = fresh
    assert code(b"\x02" * 16) == 0
    assert ledger.send(member, RetireKey(use=SERVICE, key=old.public)).code == 0
    assert code(b"\x03" * 16) == 0
    member.service = old
    assert 3_009 == code(b"\x04" * 16)
