"""What members vote about members: each action's refusals in order, then what it does."""

from typing import Any

import pytest
from msgspec.structs import replace

from salus.base.errors import Fault, Refusal
from salus.base.signing import SigningKey, member_id
from salus.machine.block import Evidence
from salus.machine.module import Action
from salus.machine.refusals import KeyInactive
from salus.machine.tables import KEY
from salus.modules.audit.messages import DefineTerm
from salus.modules.members import changes, queries, refusals
from salus.modules.members.actions import (
    ACTIONS,
    Admit,
    NewIssuer,
    NewKey,
    Remove,
    ReplaceKeys,
    Resume,
    SetPower,
    Suspend,
)
from salus.modules.members.events import Misbehaved, StatusChanged, ValidatorChanged
from salus.modules.members.state import MEMBER, NODE, RING, ROSTER, Ring, Roster
from tests.support.machine import Actor, Ledger, told

NEW = Actor(number=9)
KEYS = [NewKey(use=use, key=key) for use, key in NEW.keys.items()]
ISSUERS = [
    NewIssuer(id=one.id, key=one.key.public, credential=one.credential) for one in NEW.issuers
]
STRANGER = b"\xee" * 16
SMALL = b"\x01\x01" + bytes(31)


def do(ledger: Ledger, action: Action) -> list[bytes]:
    """Check and carry out an action, as when it falls due; returns what was told."""
    rule = ACTIONS[type(action)]
    with ledger.trying() as ctx:
        rule.validate(ctx, action)
        rule.apply(ctx, action)
    return ctx.events


def admission(**changes: Any) -> Admit:
    """An admission that passes but for `changes`."""
    good = Admit(name=NEW.name, keys=KEYS, issuers=ISSUERS, address="https://new.example")
    return replace(good, **changes)


def others(use: int) -> list[NewKey]:
    """The new member's keys without those of one use."""
    return [new for new in KEYS if new.use != use]


def admissions(ledger: Ledger) -> dict[str, tuple[Admit, type[Refusal]]]:
    """Admit's decision table; the roster is full in all but the last rows."""
    mine = ledger.members[0]
    known = [ISSUERS[0], replace(ISSUERS[1], id=mine.issuers[0].id)]
    bad_issuers = [ISSUERS[0], ISSUERS[0]]
    later: dict[str, Any] = {"address": "ftp://x", "issuers": bad_issuers}
    first = [NewKey(use=1, key=mine.transaction.public), NewKey(use=3, key=SMALL)]
    many = [NewKey(use=4, key=SigningKey(bytes([n]) * 32).public) for n in (1, 2)]
    return {
        "a first key that names a member": (
            admission(keys=first, **later), refusals.MemberExists),
        "a key of small order": (
            admission(keys=[*others(5), NewKey(use=5, key=SMALL)], **later),
            refusals.KeysInvalid),
        "a use that does not exist": (
            admission(keys=[*KEYS, NewKey(use=3, key=many[0].key)], **later),
            refusals.KeysInvalid),
        "another member's key": (
            admission(keys=[*others(5), NewKey(use=5, key=mine.log.public)], **later),
            refusals.KeysInvalid),
        "one key for two uses": (
            admission(keys=[*others(5), NewKey(use=5, key=NEW.service.public)], **later),
            refusals.KeysInvalid),
        "three keys of a use": (admission(keys=KEYS + many, **later), refusals.KeysInvalid),
        **{
            f"no key of use {use}": (
                admission(keys=others(use), **later), refusals.KeysInvalid)
            for use in (1, 2, 4, 5)
        },
        "a 65th member": (admission(**later), refusals.TooManyMembers),
        "a bad address, not full": (admission(**later), refusals.AddressMalformed),
        "one issuer twice, not full": (
            admission(issuers=bad_issuers), refusals.IssuersInvalid),
        "one issuer alone, not full": (
            admission(issuers=ISSUERS[:1]), refusals.IssuersInvalid),
        "an issuer's key of small order, not full": (
            admission(issuers=[ISSUERS[0], replace(ISSUERS[1], key=SMALL)]),
            refusals.IssuersInvalid),
        "another's issuer, not full": (
            admission(issuers=known), refusals.PractitionerExists),
    }  # fmt: skip


@pytest.mark.parametrize("row", tuple(admissions(Ledger(members=1))))
def test_admit_refuses_in_order(ledger: Ledger, row: str) -> None:
    """Each row also breaks every later rule it can; the first refusal is the one told."""
    action, refusal = admissions(ledger)[row]
    ctx = ledger.context()
    if "not full" not in row:
        full = [*queries.admitted(ctx), *(bytes([n]) * 16 for n in range(61))]
        ctx.write(ROSTER, Roster(active=queries.roster(ctx), admitted=full))

    with pytest.raises(refusal):
        ACTIONS[Admit].validate(ctx, action)


def test_an_admitted_member_acts(ledger: Ledger) -> None:
    """It has the next number, its keys count, and its issuers vouch for a year."""
    do(ledger, admission())
    view = ledger.context()

    assert sorted([*(one.id for one in ledger.members), NEW.id]) == queries.roster(view)
    assert NEW.id == queries.admitted(view)[3]
    assert queries.practising(view, NEW.issuers[0].id, NEW.id, view.time_ms)
    assert 0 == ledger.send(NEW, DefineTerm(kind=1, number=1, text="X")).code


def test_an_admission_without_issuers_or_address(ledger: Ledger) -> None:
    """Both may come later: the address by the member, issuers by vote."""
    do(ledger, Admit(name="New", keys=others(NODE), issuers=[]))

    row = queries.member(ledger.context(), NEW.id)
    assert row is not None
    assert row.address is None


def member_rows(ledger: Ledger) -> dict[str, tuple[Action, type[Refusal]]]:
    """Decision tables of the other actions: the third of three validators is removed."""
    gone = ledger.members[2].id
    used = [NewKey(use=5, key=ledger.members[0].log.public)]
    pair = [ISSUERS[0], ISSUERS[0]]
    known = [
        NewIssuer(id=one.id, key=one.key.public, credential=one.credential)
        for one in ledger.members[0].issuers
    ]
    replacing = ReplaceKeys(member=STRANGER, keys=used, issuers=pair)
    return {
        "suspend a stranger": (Suspend(member=STRANGER), refusals.MemberUnknown),
        "suspend a removed one": (Suspend(member=gone), refusals.StatusWrong),
        "resume a stranger": (Resume(member=STRANGER), refusals.MemberUnknown),
        "resume an active one": (Resume(member=ledger.members[0].id), refusals.StatusWrong),
        "resume a removed one": (Resume(member=gone), refusals.StatusWrong),
        "remove a stranger": (Remove(member=STRANGER), refusals.MemberUnknown),
        "remove a removed one": (Remove(member=gone), refusals.StatusWrong),
        "replace a stranger's keys": (replacing, refusals.MemberUnknown),
        "replace a removed one's keys": (replace(replacing, member=gone), refusals.StatusWrong),
        "replace by a used key": (
            replace(replacing, member=ledger.members[1].id), refusals.KeysInvalid),
        "replace with one issuer twice": (
            ReplaceKeys(member=ledger.members[1].id, keys=KEYS, issuers=pair),
            refusals.IssuersInvalid),
        "replace with known issuers": (
            ReplaceKeys(member=ledger.members[1].id, keys=KEYS, issuers=known),
            refusals.PractitionerExists),
        "power for a stranger": (SetPower(member=STRANGER, power=1), refusals.MemberUnknown),
        "power for a removed one": (SetPower(member=gone, power=1), refusals.StatusWrong),
    }  # fmt: skip


@pytest.mark.parametrize("row", tuple(member_rows(Ledger(members=3))))
def test_actions_refuse_in_order(ledger: Ledger, row: str) -> None:
    """Unknown before wrong status before what the action itself asks for."""
    do(ledger, Remove(member=ledger.members[2].id))
    action, refusal = member_rows(ledger)[row]

    with pytest.raises(refusal):
        ACTIONS[type(action)].validate(ledger.context(), action)


@pytest.mark.parametrize("kind", [Suspend, Remove])
def test_the_last_member_stays(kind: type[Action]) -> None:
    """Though its node is the last with weight, too: the first refusal is told."""
    ledger = Ledger(members=1, mode="network", power=1)
    action = kind(member=ledger.members[0].id)

    with pytest.raises(refusals.LastMember):
        ACTIONS[kind].validate(ledger.context(), action)


def test_the_last_weight_stays_in_a_network() -> None:
    """The one validator of a network is neither suspended, removed, nor made weightless."""
    ledger = Ledger(members=2, mode="network", power=1)
    first, second = (one.id for one in ledger.members)
    do(ledger, SetPower(member=second, power=0))

    for action in (Suspend(member=first), Remove(member=first), SetPower(member=first, power=0)):
        with pytest.raises(refusals.NoValidatorLeft):
            ACTIONS[type(action)].validate(ledger.context(), action)

    do(ledger, SetPower(member=second, power=3))
    do(ledger, SetPower(member=first, power=0))
    assert [second] == [one.member for one in queries.validators(ledger.context())]


def test_power_needs_a_node_key(ledger: Ledger) -> None:
    """A member admitted without a node key gets no weight; zero is always fine outside networks."""
    do(ledger, Admit(name="New", keys=others(NODE), issuers=[]))

    with pytest.raises(refusals.NoNodeKey):
        ACTIONS[SetPower].validate(ledger.context(), SetPower(member=NEW.id, power=1))
    do(ledger, SetPower(member=NEW.id, power=0))


def test_a_suspended_member_is_silent_and_comes_back() -> None:
    """Its keys do not sign, its weight is gone; both return when it is resumed."""
    ledger = Ledger(members=3, power=5)
    actor = ledger.members[1]
    term = DefineTerm(kind=1, number=1, text="X")

    events = do(ledger, Suspend(member=actor.id))
    silent = ledger.send(actor, term)
    back = do(ledger, Resume(member=actor.id))

    gone = ValidatorChanged(key=actor.node.public, member=actor.id, power=0)
    assert [gone, StatusChanged(member=actor.id, status="suspended")] == told(
        events, ValidatorChanged, StatusChanged
    )
    assert KeyInactive.number == silent.code
    assert replace(gone, power=5) == told(back, ValidatorChanged, StatusChanged)[0]
    assert 0 == ledger.send(actor, term).code


def test_a_removed_member_is_gone_for_good(ledger: Ledger) -> None:
    """It is off the roster with no power; its number stays its own."""
    actor = ledger.members[1]
    do(ledger, SetPower(member=actor.id, power=7))

    do(ledger, Remove(member=actor.id))

    view = ledger.context()
    row = ledger.row(MEMBER, actor.id)
    assert row is not None
    assert ("removed", 0, 1) == (row.status, row.power, row.number)
    assert actor.id not in queries.roster(view)
    assert actor.id == queries.admitted(view)[1]


def test_replaced_keys_count_and_the_old_do_not(ledger: Ledger) -> None:
    """For lost or stolen keys: all live ones of each use named are retired, others stay."""
    actor = ledger.members[1]
    do(ledger, SetPower(member=actor.id, power=7))
    keys = [NewKey(use=use, key=NEW.keys[use]) for use in (1, 6)]

    events = do(ledger, ReplaceKeys(member=actor.id, keys=keys, issuers=ISSUERS))

    view = ledger.context()
    assert [NEW.transaction.public] == queries.keys(view, actor.id, 1, view.time_ms)
    assert [actor.service.public] == queries.keys(view, actor.id, 4, view.time_ms)
    assert queries.practising(view, NEW.issuers[1].id, actor.id, view.time_ms)
    old = ledger.row(KEY, actor.transaction.key_id)
    assert old is not None
    assert old.retired_ms == view.time_ms
    weights = [one for one in events if b"validator_changed" in one]
    assert [(actor.node.public, 0), (NEW.node.public, 7)] == [
        (one.key, one.power) for one in told(weights, ValidatorChanged)
    ]
    assert member_id(NEW.transaction.public) != actor.id


def test_replaced_keys_have_a_last_generation(ledger: Ledger) -> None:
    """A member that used up all generations of a use gets no further key of it."""
    actor = ledger.members[1]
    ctx = ledger.context()
    ctx.write(RING, Ring(count=2**16 - 1, live=[0]), actor.id, 1)

    with pytest.raises(refusals.KeysInvalid):
        ACTIONS[ReplaceKeys].validate(
            ctx, ReplaceKeys(member=actor.id, keys=[NewKey(use=1, key=NEW.keys[1])], issuers=[])
        )


def test_subjects_are_those_an_action_is_about() -> None:
    """They have no vote on it; admission and weight are about nobody's place."""
    about = STRANGER
    replacing = ReplaceKeys(member=about, keys=KEYS, issuers=[])

    for action in (Suspend(member=about), Resume(member=about), Remove(member=about), replacing):
        assert about == ACTIONS[type(action)].subject(action)
    for free in (admission(), SetPower(member=about, power=1)):
        assert ACTIONS[type(free)].subject(free) is None


def test_evidence_is_told_of_members_only(ledger: Ledger) -> None:
    """The engine's word about a member becomes an event and an entry; a stranger's does not."""
    mine = Evidence(member=ledger.members[0].id, height=1, kind="duplicate_vote")
    strange = Evidence(member=STRANGER, height=1, kind="duplicate_vote")

    outcome = ledger.block(evidence=[mine, strange])

    event = Misbehaved(member=mine.member, height=1, kind="duplicate_vote")
    assert [event] == told(outcome.events, Misbehaved)


def test_what_cannot_be_is_a_fault(ledger: Ledger) -> None:
    """A change for a member or key that was not checked to exist is a bug, not a refusal."""
    with pytest.raises(Fault, match="has no row"):
        changes.set_power(ledger.context(), STRANGER, 1)
    with pytest.raises(Fault, match="has no row"):
        changes.retire_key(ledger.context(), STRANGER, 1, 0)
