"""Intents run without a gap; an anchored log only grows."""

from hashlib import sha256
from typing import Any

import pytest

from salus.base import merkle
from salus.base.errors import Refusal
from salus.base.hashing import ZERO32
from salus.modules.consent import handlers, refusals, rules
from salus.modules.consent.events import IntentsPosted, LogAnchored
from salus.modules.consent.messages import AnchorLog, PostIntents
from salus.modules.consent.queries import anchor, intent_count, intents
from salus.modules.consent.state import ANCHOR, INTENT_COUNT, Anchor, IntentCount, Intents
from tests.modules.consent.world import new_ledger, rows
from tests.support.machine import Ledger, told
from tests.workloads.consent import consistency

ROOT = b"\x09" * 32
LEAVES = [bytes([i]) for i in range(8)]


def post(**fields: Any) -> PostIntents:
    """The first intent of a member, with other fields."""
    return PostIntents(**{"closings": ZERO32, "leaves": 8, "root": ROOT, "sequence": 1, **fields})


POST = rows(
    {
        refusals.IntentSequenceNotNext: {"sequence": 2},
        refusals.LeavesNotABucket: {"leaves": 7},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), POST)
def test_post_intents_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = new_ledger()

    with pytest.raises(refusal):
        handlers.post_intents(ledger.context(ledger.members[0]), post(**spoiled))


@pytest.mark.parametrize("leaves", [1, 8, 64, 512])
def test_post_intents(leaves: int) -> None:
    """The row holds the block's time; each member counts for itself."""
    ledger = new_ledger()
    me, other = ledger.members[:2]
    receipt = ledger.send(me, post(leaves=leaves))
    expected = Intents(closings=ZERO32, leaves=leaves, root=ROOT, time_ms=ledger.time_ms)
    ctx = ledger.context()

    assert expected == intents(ctx, me.id, 1)
    assert intent_count(ctx, me.id) == 1
    assert intent_count(ctx, other.id) == 0
    assert [IntentsPosted(member=me.id, root=ROOT, sequence=1)] == told(
        receipt.events, IntentsPosted
    )


def test_an_intent_is_never_posted_again() -> None:
    """The same sequence twice is refused, also in one transaction."""
    ledger = new_ledger()
    me = ledger.members[0]

    assert 4_023 == ledger.send(me, post(), post()).code
    assert intent_count(ledger.context(), me.id) == 0
    assert ledger.send(me, post(), post(sequence=2)).code == 0
    assert 4_023 == ledger.send(me, post(sequence=2)).code


def test_the_last_16384_intents_stay() -> None:
    """One more deletes exactly the oldest of its member."""
    ledger = new_ledger()
    me = ledger.members[0]
    last = rules.INTENTS_KEPT
    with ledger.trying(me) as ctx:
        handlers.post_intents(ctx, post())
        handlers.post_intents(ctx, post(sequence=2))
        ctx.write(INTENT_COUNT, IntentCount(last=last - 1), me.id)
    assert ledger.send(me, post(sequence=last)).code == 0
    assert intents(ledger.context(), me.id, 1) is not None
    assert ledger.send(me, post(sequence=last + 1)).code == 0

    assert intents(ledger.context(), me.id, 1) is None
    assert intents(ledger.context(), me.id, 2) is not None


def grown(old: int, new: int, **fields: Any) -> AnchorLog:
    """An anchor of the first `new` of LEAVES after one of `old`, with other fields."""
    proof = consistency(LEAVES[:new], old) if old else []
    root = merkle.root(LEAVES[:new])
    return AnchorLog(**{"log": 0, "proof": proof, "root": root, "size": new, **fields})


def ledger_with_anchor(size: int = 3) -> Ledger:
    """The first member's log is anchored at so many entries."""
    ledger = new_ledger()
    with ledger.trying(ledger.members[0]) as ctx:
        handlers.anchor_log(ctx, grown(0, size))
    return ledger


FORGED = merkle.root([*LEAVES[:2], b"other", *LEAVES[3:6]])
GROW = rows(
    {
        refusals.SizeNotGrowing: {"size": 3},
        refusals.Inconsistent: {"root": FORGED},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), GROW)
def test_anchor_log_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_anchor()

    with pytest.raises(refusal):
        handlers.anchor_log(ledger.context(ledger.members[0]), grown(3, 6, **spoiled))


EDGES = {
    "a log of no entries": (0, refusals.SizeNotGrowing, grown(0, 1, size=0)),
    "a proof where none is due": (0, refusals.Inconsistent, grown(0, 3, proof=[ROOT])),
    "no proof where one is due": (3, refusals.Inconsistent, grown(3, 6, proof=[])),
    "a proof from another size": (3, refusals.Inconsistent, grown(2, 6)),
    "a log that shrinks": (3, refusals.SizeNotGrowing, grown(0, 2)),
}


@pytest.mark.parametrize(("size", "refusal", "message"), EDGES.values(), ids=EDGES.keys())
def test_anchor_log_refuses_edges(size: int, refusal: type[Refusal], message: AnchorLog) -> None:
    """A log rewritten by its own witness is refused, whatever proof it brings."""
    ledger = ledger_with_anchor(size) if size else new_ledger()

    with pytest.raises(refusal):
        handlers.anchor_log(ledger.context(ledger.members[0]), message)


@pytest.mark.parametrize("old", range(8))
def test_anchor_log(old: int) -> None:
    """From any size to any larger one by its RFC 6962 proof; others' logs are their own."""
    for new in range(old + 1, 9):
        ledger = ledger_with_anchor(old) if old else new_ledger()
        me, other = ledger.members[:2]
        receipt = ledger.send(me, grown(old, new))
        root = merkle.root(LEAVES[:new])
        expected = Anchor(root=root, size=new, time_ms=ledger.time_ms)

        assert expected == anchor(ledger.context(), me.id, 0)
        assert anchor(ledger.context(), other.id, 0) is None
        assert [LogAnchored(log=0, member=me.id, root=root, size=new)] == told(
            receipt.events, LogAnchored
        )


def test_the_log_of_disclosures_is_reserved() -> None:
    """Log 1 is out of form until it is built; nothing is written."""
    ledger = new_ledger()

    assert 5 == ledger.send(ledger.members[0], grown(0, 3, log=1)).code
    assert {} == ledger.all_rows(ANCHOR)


def test_the_first_anchor_needs_no_old_root() -> None:
    """The root of no entries is SHA-256 of nothing (RFC 6962 §2.1)."""
    assert sha256(b"").digest() == merkle.EMPTY_ROOT
