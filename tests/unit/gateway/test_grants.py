"""Grants: what is refused before anything is put, what others keep when one ends, and crashes."""

import dataclasses
import os
import time
from typing import Any

import pytest

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.gateway import delivery
from salus.gateway.delivery import Delivery
from salus.gateway.grants import HAND_OVER, HOUSE, RENEW, GrantAsked
from salus.gateway.terms import SESSIONS_PER_DAY
from salus.modules.consent import queries as consent
from salus.modules.governance.messages import Propose, Vote
from salus.modules.members.actions import Suspend
from salus.sealed.days import DAY_MAX
from salus.sealed.grants import Terms
from tests.acceptance.world import EVERYTHING, HOUR_MS, World
from tests.unit.gateway.fhir import bundle, observation, patient

LABS, VITALS = 4, 8


@pytest.fixture(scope="module")
def asked(world: World) -> GrantAsked:
    """A grant that no rule refuses, of a patient with one lab."""
    world.north.gateway.import_fhir([("g.json", bundle(patient("g"), observation("g")))])
    handle = next(one.handle for one in world.north.gateway.patients() if one.source == "Patient/g")
    return GrantAsked(
        patient=handle,
        to=world.south.id,
        compartments=(LABS,),
        purposes=("TREAT",),
        until_ms=world.clock.now_ms() + 24 * HOUR_MS,
    )


def asked_with(asked: GrantAsked, **changes: Any) -> GrantAsked:
    """The same grant but for some fields."""
    return dataclasses.replace(asked, **changes)


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "nobody's handle": ("PatientUnknown", {"patient": b"x" * 16}),
    "no compartment": ("NothingGranted", {"compartments": ()}),
    "a compartment there is not": ("CompartmentUnknown", {"compartments": (LABS, 16)}),
    "a negative compartment": ("CompartmentUnknown", {"compartments": (-1,)}),
    "no member": ("MemberUnknown", {"to": bytes(16)}),
    "an end in the past": ("UntilNotInFuture", {"until_ms": 1}),
    "days that end before they begin": ("WindowWrong", {"first_day": 9, "last_day": 8}),
    "a day there is not": ("WindowWrong", {"last_day": DAY_MAX + 1}),
    "no purpose": ("TermsInvalid", {"purposes": ()}),
    "a purpose in words": ("TermsInvalid", {"purposes": ("for treatment",)}),
    "a practitioner's id too short": ("TermsInvalid", {"practitioners": (b"x",)}),
}


@pytest.mark.parametrize(("name", "changes"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_a_grant_is_refused_before_anything_is_put(
    world: World, asked: GrantAsked, name: str, changes: dict[str, Any]
) -> None:
    """Neither the ledger nor the list of grants knows of it."""
    size = world.north.node.ledger.tip.log_size
    before = len(world.north.gateway.grants())
    with pytest.raises(Problem) as refused:
        world.north.gateway.grant(asked_with(asked, **changes))

    assert name == refused.value.name
    assert size == world.north.node.ledger.tip.log_size
    assert before == len(world.north.gateway.grants())


def test_the_end_is_rounded_up_to_the_hour(world: World, asked: GrantAsked) -> None:
    """The ledger tells little of when it was made, and nobody gets less than asked (§3.7)."""
    hour = world.clock.now_ms() // HOUR_MS * HOUR_MS
    ends = [
        world.north.gateway.grant(asked_with(asked, until_ms=until_ms)).until_ms
        for until_ms in (hour + 2 * HOUR_MS, hour + 2 * HOUR_MS + 1)
    ]

    assert [hour + 2 * HOUR_MS, hour + 3 * HOUR_MS] == ends


def test_a_suspended_member_gets_no_grant(own_world: World) -> None:
    """Its people could open nothing (W5): the patient is told so at once."""
    gateway = own_world.north.gateway
    gateway.import_fhir([("s.json", bundle(patient("s")))])
    proposal = os.urandom(16)
    action = codec.encode(Suspend(member=own_world.south.id))
    closes_ms = own_world.north.node.ledger.tip.time_ms + 2 * HOUR_MS
    gateway.office.submit([Propose(proposal=proposal, actions=[action], closes_ms=closes_ms)])
    for name in ("lab", "insurer"):
        voter = own_world.network[name]
        voter.gateway.office.submit([Vote(proposal=proposal, yes=True)])
    for _ in range(100):
        if not gateway.office.is_active(own_world.south.id):
            break
        time.sleep(0.05)
    with pytest.raises(Problem) as refused:
        own_world.give(own_world.patient().handle, (LABS,))

    assert "MemberUnknown" == refused.value.name
    assert [] == gateway.grants()


def test_readers_who_remain_open_old_and_new_records(world: World, asked: GrantAsked) -> None:
    """One grant ends, the tag takes new keys, and another reader's grant opens both generations."""
    gateway = world.north.gateway
    staying = gateway.grant(asked)
    before = len(world.south.gateway.open_chart(staying.grant, "TREAT").records)
    ending = gateway.grant(asked)
    gateway.revoke(ending.grant)
    gateway.import_fhir([("g2.json", bundle(observation("g", code={"text": "new"})))])
    chart = world.south.gateway.open_chart(staying.grant, "TREAT")
    package = world.south.gateway._packages.one(staying.grant).package

    assert before + 1 == len(chart.records)
    assert () == chart.unopened
    assert [0, 1] == [one.generation for one in package.keys]
    assert [] == list(gateway.desk.all(HAND_OVER)) + list(gateway.desk.all(RENEW))


def test_the_ended_readers_old_keys_do_not_open_what_came_after(
    world: World, asked: GrantAsked
) -> None:
    """What the revoked reader kept holds no seed of the new generation."""
    gateway = world.north.gateway
    ending = gateway.grant(asked)
    kept = world.south.gateway._packages.one(ending.grant).package
    gateway.revoke(ending.grant)
    row = gateway.office.tag(kept.keys[0].tag)
    now = world.south.gateway._packages.one(ending.grant).package

    assert row is not None
    assert row.generation not in [one.generation for one in now.keys]


def test_a_revoked_grant_is_refused_as_such_after_its_packages_are_tidied(
    world: World, asked: GrantAsked
) -> None:
    """The reader still has the terms: the answer is W10, not "no such grant"."""
    given = world.north.gateway.grant(asked)
    world.south.gateway.received()
    world.north.gateway.revoke(given.grant)
    for member in world.network:
        member.node.vault.tidy()
    with pytest.raises(Problem) as refused:
        world.south.gateway.open_chart(given.grant, "TREAT")

    assert "W10" == refused.value.facts["code"]


def test_revoking_twice_is_told_and_renews_once(world: World, asked: GrantAsked) -> None:
    """The second is refused by the ledger, and no further keys are made."""
    gateway = world.north.gateway
    given = gateway.grant(asked)
    gateway.revoke(given.grant)
    tag = codec.decode(given.terms, Terms).items[0].tag
    row = gateway.office.tag(tag)
    with pytest.raises(Problem, match="AlreadyRevoked"):
        gateway.revoke(given.grant)
    gateway._grants.resume()

    assert row == gateway.office.tag(tag)


def test_a_crash_before_the_package_is_made_good(
    world: World, asked: GrantAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grant stands on the ledger, its package nowhere: the next round hands it over."""
    gateway = world.north.gateway

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivery, "hand_over", dies)
    with pytest.raises(KeyboardInterrupt):
        gateway.grant(asked)
    monkeypatch.undo()
    given = next(
        one for one, state in gateway.grants() if gateway.desk.get(HAND_OVER, one.grant) is not None
    )
    with pytest.raises(Problem, match="GrantNotForUs"):
        world.south.gateway.open_chart(given.grant, "TREAT")
    gateway._grants.resume()

    assert world.south.gateway.open_chart(given.grant, "TREAT").records


def test_a_crash_after_a_revocation_still_renews_the_keys(
    world: World, asked: GrantAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has the end, the tag its old keys: the next round renews them, once."""
    gateway = world.north.gateway
    given = gateway.grant(asked)
    tag = codec.decode(given.terms, Terms).items[0].tag
    before = gateway.office.tag(tag)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway._grants._sheets, "renew", dies)
    with pytest.raises(KeyboardInterrupt):
        gateway.revoke(given.grant)
    monkeypatch.undo()
    gateway._grants.resume()
    gateway._grants.resume()
    after = gateway.office.tag(tag)

    assert before is not None
    assert after is not None
    assert before.generation + 1 == after.generation


def test_a_failed_renewal_does_not_hide_that_the_grant_is_ended(
    world: World, asked: GrantAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patient asked for the end and is told of it; the rest is done in the next round."""
    gateway = world.north.gateway
    given = gateway.grant(asked)

    def fails(*_: object) -> None:
        raise Problem(Category.UNAVAILABLE, "PeerDown", "down")

    monkeypatch.setattr(gateway._grants._sheets, "renew", fails)
    gateway.revoke(given.grant)
    monkeypatch.undo()

    assert "revoked" == {one.grant: state for one, state in gateway.grants()}[given.grant]
    assert gateway.desk.get(RENEW, given.grant) is not None
    gateway._grants.resume()
    assert gateway.desk.get(RENEW, given.grant) is None


def test_a_refused_grant_is_not_listed(world: World, asked: GrantAsked) -> None:
    """What the ledger refused for good was never given."""
    gateway = world.north.gateway
    before = len(gateway.grants())
    with pytest.raises(Problem, match="UntilTooFar"):
        gateway.grant(asked_with(asked, until_ms=4_000_000_000_000))

    assert before == len(gateway.grants())
    assert [] == list(gateway.desk.all(HAND_OVER))


def test_seeds_of_many_generations_go_into_several_packages(
    world: World, asked: GrantAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into one package goes into further ones, and the reader joins them."""
    gateway = world.north.gateway
    monkeypatch.setattr(delivery, "SEEDS_BYTES_MAX", 1_500)
    given = gateway.grant(asked_with(asked, compartments=(LABS, VITALS), first_day=1))
    terms = codec.decode(given.terms, Terms)
    tags = {item.tag for item in terms.items}
    gateway.revoke(gateway.grant(asked_with(asked, compartments=(LABS, VITALS))).grant)
    package = world.south.gateway._packages.one(given.grant).package
    generations = {tag: gateway.office.tag(tag) for tag in tags}

    assert 1_500 < sum(len(one.nodes) for one in package.keys)
    assert [(one.tag, one.generation) for one in package.keys] == [
        (tag, generation)
        for tag, row in sorted(generations.items())
        if row is not None
        for generation in range(row.generation + 1)
    ]


def test_a_house_grant_opens_directory_data_alone(world: World) -> None:
    """Organisations and practitioners; whoever the patients are."""
    gateway = world.north.gateway
    directory = {"resourceType": "Organization", "id": "o", "name": "North"}
    gateway.import_fhir([("house.json", bundle(directory, patient("h"), observation("h")))])
    given = world.give(HOUSE, EVERYTHING)
    chart = world.south.gateway.open_chart(given.grant, "TREAT")

    assert {"Organization"} == {one.type for one in chart.records}


def test_the_ledger_shows_only_commitment_key_and_end(world: World, asked: GrantAsked) -> None:
    """And the terms allow what the page says: view, so many sessions a day."""
    given = world.north.gateway.grant(asked)
    row = consent.grant(world.south.node.ledger.view(), given.grant)
    terms = codec.decode(given.terms, Terms)

    assert row is not None
    assert (given.until_ms, terms.grant_key, None) == (row.until_ms, row.grant_key, row.revoked_ms)
    assert ("view", SESSIONS_PER_DAY) == (terms.mode, terms.sessions_per_day)
