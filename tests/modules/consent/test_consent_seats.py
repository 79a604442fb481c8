"""Seats: numbers from 1, distinct active members, a quorum as threshold, changed by vote."""

from collections.abc import Sequence
from typing import Any

import pytest

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Problem, Refusal
from salus.modules.consent import actions, refusals, rules
from salus.modules.consent.actions import SetSeats
from salus.modules.consent.events import SeatsSet
from salus.modules.consent.queries import seats, seats_current, seats_valid
from salus.modules.consent.state import Holder, Seats
from salus.modules.governance.messages import Propose, Vote
from tests.modules.consent.world import HOUR_MS, new_ledger, rows
from tests.support.machine import BLOCK_MS, GENESIS_MS, Actor, Ledger, told

STRANGER = b"\x99" * 16


def holders(members: Sequence[Actor], first: int = 1) -> list[Holder]:
    """A seat for each member, numbers from `first` on."""
    return [Holder(member=one.id, x=number) for number, one in enumerate(members, start=first)]


@pytest.mark.parametrize(("n", "threshold"), [(1, 1), (2, 2), (3, 3), (4, 3), (7, 5), (16, 11)])
def test_threshold(n: int, threshold: int) -> None:
    """floor(2n / 3) + 1: the block quorum."""
    assert threshold == rules.threshold(n)


SET = rows(
    {
        refusals.SeatsInvalid: {"xs": (2, 1)},
        refusals.SeatHolderInactive: {"member": STRANGER},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), SET)
def test_set_seats_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = new_ledger()
    members = (ledger.members[0].id, spoiled.get("member", ledger.members[1].id))
    xs = spoiled.get("xs", (1, 2))
    seats = [Holder(member=member, x=x) for member, x in zip(members, xs, strict=True)]

    with pytest.raises(refusal):
        actions.check_set_seats(ledger.context(), SetSeats(holders=seats))


EDGES = {
    "no seat": [],
    "one seat number twice": [Holder(member=bytes(16), x=1), Holder(member=STRANGER, x=1)],
    "one member twice": [Holder(member=STRANGER, x=1), Holder(member=STRANGER, x=2)],
    "17 seats": [Holder(member=bytes([i]) * 16, x=i) for i in range(1, 18)],
}


@pytest.mark.parametrize("wrong", EDGES.values(), ids=EDGES.keys())
def test_set_seats_refuses_edges(wrong: list[Holder]) -> None:
    """1 to 16 seats; no member has two shares, no share two members."""
    with pytest.raises(refusals.SeatsInvalid):
        actions.check_set_seats(new_ledger().context(), SetSeats(holders=wrong))


@pytest.mark.parametrize("x", [0, 256])
def test_seat_numbers_run_from_1_to_255(x: int) -> None:
    """Seat 0 would hold the secret itself (corrections 8)."""
    action = SetSeats(holders=[Holder(member=STRANGER, x=x)])

    with pytest.raises(Malformed):
        codec.decode(codec.encode(action), SetSeats)


def test_genesis_sets_version_1() -> None:
    """The seats of the genesis file hold from time zero on."""
    ledger = new_ledger()
    expected = Seats(active_from_ms=GENESIS_MS, holders=holders(ledger.members), threshold=3)
    ctx = ledger.context()

    assert (1, expected) == seats_current(ctx)
    assert expected == seats(ctx)
    assert expected == seats(ctx, 1)
    assert seats(ctx, 2) is None


def test_a_genesis_without_seats_has_none() -> None:
    """No section, no seats: no version is valid until a vote sets them."""
    ctx = Ledger(members=1).context()

    assert seats_current(ctx) is None
    assert seats(ctx) is None
    assert seats_valid(ctx, 0) is None


@pytest.mark.parametrize(
    "section",
    [
        [],
        [{"x": 0, "member": "00" * 16}],
        [{"x": 1, "member": "00" * 16}],
        [{"x": 1, "member": "00"}],
        [{"x": 1}],
        {"x": 1},
    ],
)
def test_genesis_refuses_other_seats(section: object) -> None:
    """No seat, seat 0, a stranger's, no id, no list: the file is refused with the place."""
    with pytest.raises(Problem, match="section of consent"):
        Ledger(members=1, sections=lambda _members: {"consent": section})


def test_a_vote_changes_the_seats() -> None:
    """The next version acts from its block; a seat number stays with its shares."""
    ledger = new_ledger()
    action = SetSeats(holders=holders(ledger.members[1:], first=2))
    name = b"\x01" * 16
    proposal = Propose(
        proposal=name,
        actions=[codec.encode(action)],
        closes_ms=ledger.time_ms + 2 * HOUR_MS,
    )
    assert ledger.send(ledger.members[0], proposal).code == 0
    for voter in ledger.members[1:3]:
        assert ledger.send(voter, Vote(proposal=name, yes=True)).code == 0
    ledger.block()
    ledger.block()
    ctx = ledger.context()
    found = seats_current(ctx)
    assert found is not None

    assert 2 == found[0]
    assert action.holders == found[1].holders
    assert 3 == found[1].threshold


def test_the_former_version_holds_an_hour_longer() -> None:
    """Batches sealed for the seats before are valid up to, not at, an hour after the change."""
    ledger = new_ledger()
    for _ in range(2):
        with ledger.trying() as ctx:
            actions.set_seats(ctx, SetSeats(holders=holders(ledger.members)))
            assert [SeatsSet(version=seats_current(ctx)[0])] == told(ctx.events, SeatsSet)  # type: ignore[index]  # just set
    now_ms = GENESIS_MS + BLOCK_MS
    valid_at = {}
    for at_ms in (now_ms, now_ms + HOUR_MS - 1, now_ms + HOUR_MS):
        ledger.time_ms = at_ms - BLOCK_MS
        ctx = ledger.context()
        valid_at[at_ms] = [version for version in range(5) if seats_valid(ctx, version) is not None]

    assert [[2, 3], [2, 3], [3]] == list(valid_at.values())
