"""Propose, Vote, Withdraw: each refusal in order, then what passes."""

from typing import Any

import pytest

from salus.base import codec
from salus.base.errors import Refusal
from salus.modules.governance import queries, refusals
from salus.modules.governance.actions import SetParameter
from salus.modules.governance.events import Accepted, Proposed, Rejected, Voted, Withdrawn
from salus.modules.governance.handlers import propose, vote, withdraw
from salus.modules.governance.messages import Propose, Vote, Withdraw
from salus.modules.governance.state import AGENDA, AgendaRow, Due
from salus.modules.members.actions import Remove, Suspend
from tests.support.machine import Ledger, told

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ONE, TWO, THREE, FOUR, FIVE = (bytes([n]) * 16 for n in range(1, 6))
COPIES = codec.encode(SetParameter(name="vault.copies", value=4))
TOO_MANY = codec.encode(SetParameter(name="vault.copies", value=8))
FULL = AgendaRow(entries=[Due(height=9, proposal=bytes([n]) * 16) for n in range(64)])


def proposing(ledger: Ledger, name: bytes = ONE, *actions: bytes, **changes: Any) -> Propose:
    """A proposal that passes but for `changes`."""
    fields = {
        "closes_ms": ledger.time_ms + 2 * HOUR_MS,
        "actions": list(actions) or [COPIES],
        **changes,
    }
    return Propose(proposal=name, **fields)


def removal(ledger: Ledger, position: int) -> bytes:
    """Remove one of the members."""
    return codec.encode(Remove(member=ledger.members[position].id))


def proposals(ledger: Ledger) -> dict[str, tuple[Propose, type[Refusal]]]:
    """Propose's decision table; the member has 4 open ones, or none where it says so."""
    next_block_ms = ledger.time_ms + 1_000
    height = ledger.height + 1
    two = [removal(ledger, 1), removal(ledger, 2)]
    bad: dict[str, Any] = {"actions": [*two, b"\xc1"]}
    bad_height = {"activation_height": height + 1, **bad}
    bad_time = {"closes_ms": next_block_ms + HOUR_MS - 1, **bad_height}
    return {
        "a known id, and all else wrong": (
            proposing(ledger, ONE, **bad_time), refusals.ProposalExists),
        "a fifth open one, and all later wrong": (
            proposing(ledger, FIVE, **bad_time), refusals.TooManyOpen),
        "none open: closes too soon, and all later wrong": (
            proposing(ledger, FIVE, **bad_time), refusals.ClosesOutOfRange),
        "none open: closes too late, and all later wrong": (
            proposing(ledger, FIVE, **{**bad_time, "closes_ms": next_block_ms + 30 * DAY_MS + 1}),
            refusals.ClosesOutOfRange),
        "none open: active too soon, and all later wrong": (
            proposing(ledger, FIVE, **bad_height), refusals.ActivationOutOfRange),
        "none open: active too late, and all later wrong": (
            proposing(ledger, FIVE, **{**bad_height, "activation_height": height + 1_000_001}),
            refusals.ActivationOutOfRange),
        "none open: unreadable, beside two with a subject": (
            proposing(ledger, FIVE, **bad), refusals.ActionInvalid),
        "none open: not canonical": (
            proposing(ledger, FIVE, b"\x82" + COPIES[1:]), refusals.ActionInvalid),
        "none open: two with a subject, beside a bad one": (
            proposing(ledger, FIVE, *two, TOO_MANY), refusals.SubjectNotAlone),
        "none open: one with a subject, beside a bad one": (
            proposing(ledger, FIVE, TOO_MANY, two[0]), refusals.SubjectNotAlone),
        "none open: its module refuses": (
            proposing(ledger, FIVE, COPIES, TOO_MANY), refusals.ActionInvalid),
    }  # fmt: skip


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    """A ledger whose first member has four open proposals."""
    for name in (ONE, TWO, THREE, FOUR):
        assert 0 == ledger.send(ledger.members[0], proposing(ledger, name)).code
    return ledger


@pytest.mark.parametrize("row", tuple(proposals(Ledger(members=3))))
def test_propose_refuses_in_order(busy: Ledger, row: str) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    actor = busy.members[0]
    if row.startswith("none open"):
        names = [Withdraw(proposal=name) for name in (ONE, TWO, THREE, FOUR)]
        assert 0 == busy.send(actor, *names).code
    message, refusal = proposals(busy)[row]

    with pytest.raises(refusal):
        propose(busy.context(actor), message)


def test_an_action_tells_its_own_number(ledger: Ledger) -> None:
    """The place, and the refusal of the module the action belongs to; 0 for an unreadable one."""
    actor = ledger.members[0]
    told_of = {}
    for data in (TOO_MANY, b"\xc0", codec.encode(Suspend(member=bytes(16)))):
        with pytest.raises(refusals.ActionInvalid) as refused:
            propose(ledger.context(actor), proposing(ledger, ONE, data))
        told_of[data[:1]] = (refused.value.position, refused.value.reason)

    assert {TOO_MANY[:1]: (0, 2031), b"\xc0": (0, 0), b"\x82": (0, 1023)} == told_of


def test_a_single_member_decides_by_proposing() -> None:
    """One yes of one is enough; a full agenda then refuses the proposal itself."""
    ledger = Ledger(members=1)
    actor = ledger.members[0]
    ctx = ledger.context(actor)
    ctx.write(AGENDA, FULL)
    with pytest.raises(refusals.AgendaFull):
        propose(ctx, proposing(ledger))

    receipt = ledger.send(actor, proposing(ledger))

    height = ledger.height + 2
    assert [Proposed(proposal=ONE, proposer=actor.id), Accepted(proposal=ONE, height=height)] == (
        told(receipt.events, Proposed, Accepted)
    )
    assert [Due(height=height, proposal=ONE)] == queries.agenda(ledger.context())


def test_a_closed_proposal_makes_room(busy: Ledger) -> None:
    """What nobody can vote on any more does not count as open."""
    busy.time_ms += 3 * HOUR_MS

    receipt = busy.send(busy.members[0], proposing(busy, FIVE))

    assert 0 == receipt.code
    assert [FIVE] == queries.open_proposals(busy.context(), busy.members[0].id)
    assert [] == queries.open_proposals(busy.context(), busy.members[1].id)


def test_vote_refuses_in_order() -> None:
    """Unknown; closed by time or verdict, though the subject's; the subject's; the same; full."""
    ledger = Ledger(members=4)
    first, second, third, fourth = ledger.members
    ledger.send(first, proposing(ledger, ONE, removal(ledger, 1)))
    ledger.send(first, proposing(ledger, TWO), Withdraw(proposal=TWO))
    ledger.send(first, proposing(ledger, THREE))
    ledger.send(third, Vote(proposal=THREE, yes=True))
    full = ledger.context(fourth)
    full.write(AGENDA, FULL)
    late = ledger.context(second)
    late.time_ms += 3 * HOUR_MS
    same = ledger.context(third)
    same.write(AGENDA, FULL)
    rows = [
        (full, Vote(proposal=FOUR, yes=True), refusals.ProposalUnknown),
        (late, Vote(proposal=ONE, yes=True), refusals.ProposalClosed),
        (ledger.context(first), Vote(proposal=TWO, yes=True), refusals.ProposalClosed),
        (ledger.context(second), Vote(proposal=ONE, yes=True), refusals.SubjectMayNotVote),
        (same, Vote(proposal=THREE, yes=True), refusals.SameVote),
        (full, Vote(proposal=THREE, yes=True), refusals.AgendaFull),
    ]

    for ctx, message, refusal in rows:
        with pytest.raises(refusal):
            vote(ctx, message)


def test_votes_are_told_and_decide() -> None:
    """Four members: three yes accept, and nothing more can be voted."""
    ledger = Ledger(members=4)
    first, second, third, fourth = ledger.members
    ledger.send(first, proposing(ledger, ONE, activation_height=50))

    ledger.send(second, Vote(proposal=ONE, yes=False))
    ledger.send(third, Vote(proposal=ONE, yes=True))
    receipt = ledger.send(second, Vote(proposal=ONE, yes=True))

    voted = Voted(proposal=ONE, member=second.id, yes=True)
    assert [voted, Accepted(proposal=ONE, height=50)] == told(receipt.events, Voted, Accepted)
    row = queries.proposal(ledger.context(), ONE)
    assert row is not None
    assert ("accepted", [first.id, third.id, second.id], []) == (row.status, row.yes, row.no)
    assert 2008 == ledger.send(fourth, Vote(proposal=ONE, yes=True)).code


def test_a_proposal_is_rejected_when_yes_cannot_win() -> None:
    """Four members: with two no, at most two yes remain, and three are needed."""
    ledger = Ledger(members=4)
    first, second, third, _ = ledger.members
    ledger.send(first, proposing(ledger))

    ledger.send(second, Vote(proposal=ONE, yes=False))
    receipt = ledger.send(third, Vote(proposal=ONE, yes=False))

    assert [Rejected(proposal=ONE)] == told(receipt.events, Voted, Rejected)[1:]


def test_withdraw_refuses_in_order(ledger: Ledger) -> None:
    """Unknown; closed, though another's; another's."""
    first, second = ledger.members[:2]
    ledger.send(first, proposing(ledger, ONE), proposing(ledger, TWO), Withdraw(proposal=ONE))
    refused: dict[bytes, type[Refusal]] = {
        THREE: refusals.ProposalUnknown,
        ONE: refusals.ProposalClosed,
        TWO: refusals.NotProposer,
    }

    for name, refusal in refused.items():
        with pytest.raises(refusal):
            withdraw(ledger.context(second), Withdraw(proposal=name))
    receipt = ledger.send(first, Withdraw(proposal=TWO))
    assert [Withdrawn(proposal=TWO)] == told(receipt.events, Withdrawn)


def test_one_member_cannot_remove_the_others(ledger: Ledger) -> None:
    """Neither all at once, nor one by one: the others' votes are needed each time."""
    first, second, third = ledger.members
    both = proposing(ledger, ONE, removal(ledger, 1), removal(ledger, 2))
    with pytest.raises(refusals.SubjectNotAlone):
        propose(ledger.context(first), both)

    ledger.send(first, proposing(ledger, ONE, removal(ledger, 1)))
    ledger.send(first, proposing(ledger, TWO, removal(ledger, 2)))

    view = ledger.context()
    for name in (ONE, TWO):
        row = queries.proposal(view, name)
        assert row is not None
        assert "open" == row.status
    assert 2009 == ledger.send(second, Vote(proposal=ONE, yes=True)).code
    assert 0 == ledger.send(third, Vote(proposal=ONE, yes=False)).code


def test_a_subjects_own_proposal_is_no_yes(ledger: Ledger) -> None:
    """Who proposes its own removal has said so, but has not voted."""
    second = ledger.members[1]

    ledger.send(second, proposing(ledger, ONE, removal(ledger, 1)))

    row = queries.proposal(ledger.context(), ONE)
    assert row is not None
    assert ([], second.id) == (row.yes, row.subject)


def test_a_removed_members_yes_no_longer_counts() -> None:
    """Votes are counted anew from the roster, so an old yes of who is gone does not help."""
    ledger = Ledger(members=5)
    first, second, third, fourth, _ = ledger.members
    ledger.send(first, proposing(ledger, TWO, activation_height=99))
    ledger.send(second, Vote(proposal=TWO, yes=True))
    ledger.send(third, Vote(proposal=TWO, yes=True))
    with ledger.trying() as ctx:
        removing = ctx.declared.rule(Remove(member=second.id))
        removing.apply(ctx, Remove(member=second.id))

    ledger.send(fourth, Vote(proposal=TWO, yes=False))
    row = queries.proposal(ledger.context(), TWO)
    assert row is not None
    assert "open" == row.status  # 2 of 4 count, not 3

    ledger.send(fourth, Vote(proposal=TWO, yes=True))
    row = queries.proposal(ledger.context(), TWO)
    assert row is not None
    assert "accepted" == row.status
