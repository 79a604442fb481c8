"""Who opens what, when: the promises of a grant, on a whole network."""

import os

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.hashing import ZERO32
from salus.base.sealing import SealingKey
from salus.node.vault.messages import GROUPS, GroupsAsk, GroupsAsked, GroupsFound, ReaderAsks
from salus.node.witness.messages import RELEASE, ReleaseReply
from salus.sealed import container as containers
from salus.sealed.grants import GRANT, Leaf, Reader
from salus.sealed.release import IntentTree, ReleaseRequest, ShownTerms, Want
from tests.acceptance.world import EVERYTHING, HOUR_MS, World

LABS = 4


def test_a_chart_does_not_open_without_a_grant(shared: World) -> None:
    """Before any grant a reader finds nothing, and no witness knows the subject."""
    with pytest.raises(Problem) as refused:
        shared.south.gateway.open_chart(os.urandom(16), "TREAT")

    assert "GrantNotForUs" == refused.value.name


def test_a_grant_opens_exactly_its_compartments(shared: World) -> None:
    """Labs alone were granted, and labs alone are shown."""
    patient = shared.patient()
    given = shared.give(patient.handle, (LABS,))
    chart = shared.south.gateway.open_chart(given.grant, "TREAT")
    tags = {record.tag for record in chart.records}

    assert {patient.wallet.compartment(LABS).tag} == tags
    assert 0 == chart.hidden


def test_a_purpose_that_was_not_granted_opens_nothing(shared: World) -> None:
    """A grant for treatment does not open for marketing (W12)."""
    given = shared.give(shared.patient().handle, (LABS,))
    with pytest.raises(Problem) as refused:
        shared.south.gateway.open_chart(given.grant, "HMARKT")

    assert "W12" == refused.value.facts["code"]


def test_another_member_cannot_use_the_grant(shared: World) -> None:
    """The laboratory finds no package that its key opens."""
    given = shared.give(shared.patient().handle, (LABS,))
    lab = shared.network["lab"]
    lab.gateway.staff.register("Dr B. Other")
    with pytest.raises(Problem) as refused:
        lab.gateway.open_chart(given.grant, "TREAT")

    assert "GrantNotForUs" == refused.value.name


def test_a_revoked_grant_opens_nothing(world: World) -> None:
    """From the block of the revocation the answer is W10, at vault and witness."""
    given = world.give(world.patient().handle, (LABS,))
    assert world.south.gateway.open_chart(given.grant, "TREAT").records
    world.north.gateway.revoke(given.grant)
    with pytest.raises(Problem) as refused:
        world.south.gateway.open_chart(given.grant, "TREAT")

    assert "W10" == refused.value.facts["code"]


def test_an_expired_grant_opens_nothing(world: World) -> None:
    """Block time ends a grant with nobody acting: W9."""
    given = world.give(world.patient().handle, (LABS,), hours=1)
    assert world.south.gateway.open_chart(given.grant, "TREAT").records
    world.clock.forward(3 * HOUR_MS)
    with pytest.raises(Problem) as refused:
        world.south.gateway.open_chart(given.grant, "TREAT")

    assert "W9" == refused.value.facts["code"]


def test_what_is_written_after_a_revocation_has_keys_the_reader_cannot_derive(
    world: World,
) -> None:
    """The tags of a revoked grant go on with a new generation."""
    patient = world.patient()
    tag = patient.wallet.compartment(LABS).tag
    given = world.give(patient.handle, (LABS,))
    world.north.gateway.revoke(given.grant)
    row = world.north.gateway.office.tag(tag)
    assert row is not None

    assert 1 == row.generation
    again = world.give(patient.handle, (LABS,))
    assert world.south.gateway.open_chart(again.grant, "TREAT").records


def test_a_stopped_tag_ends_all_its_grants(world: World) -> None:
    """After "stop everything here" a grant's items are of a dead era: nothing is covered."""
    patient = world.patient()
    given = world.give(patient.handle, (LABS,))
    world.north.gateway.stop(patient.handle, [LABS])

    assert () == world.south.gateway.open_chart(given.grant, "TREAT").records


def test_without_an_intent_no_witness_gives_a_share(shared: World) -> None:
    """A request whose leaf was never posted is W3 at every witness."""
    given = shared.give(shared.patient().handle, (LABS,))
    request = _request(shared, given.grant, sequence=999)
    replies = [
        shared.south.gateway.office.ask(member.id, RELEASE, request, ReleaseReply)
        for member in shared.network
    ]

    assert ["W3"] * 4 == [reply.refusal.code for reply in replies if reply.refusal]


def test_fewer_witnesses_than_the_threshold_open_nothing(world: World) -> None:
    """Two of four shares do not join: t is three."""
    given = world.give(world.patient().handle, (LABS,))
    world.network.stop_member("lab")
    world.network.stop_member("insurer")
    with pytest.raises(Problem) as refused:
        world.south.gateway.open_chart(given.grant, "TREAT")

    assert "PeerDown" == refused.value.name


def test_one_member_down_takes_nothing_from_a_chart(world: World) -> None:
    """Three holders and three witnesses of four suffice, and the chart says that it is whole."""
    given = world.give(world.patient().handle, EVERYTHING)
    before = world.south.gateway.open_chart(given.grant, "TREAT")
    world.network.stop_member("lab")
    after = world.south.gateway.open_chart(given.grant, "TREAT")

    assert (True, True) == (before.complete, after.complete)
    assert {one.body for one in before.records} == {one.body for one in after.records}
    assert world.network.keys["lab"].member in after.silent


def test_every_opening_is_told_to_the_patient(shared: World) -> None:
    """Each session that opened something is in the list, said by all four witnesses."""
    patient = shared.patient()
    before = len(shared.north.gateway.who_saw(patient.handle).lines)
    given = shared.give(patient.handle, EVERYTHING)
    shared.south.gateway.open_chart(given.grant, "TREAT")
    disclosures = shared.north.gateway.who_saw(patient.handle)

    assert disclosures.complete
    assert before + 1 == len(disclosures.lines)
    assert given.grant == disclosures.lines[0].grant
    assert 4 == len(disclosures.lines[0].witnesses)


def _request(world: World, grant: bytes, sequence: int) -> ReleaseRequest:
    """A whole release request, but for the intent on the ledger."""
    gateway = world.south.gateway
    received = gateway._packages.one(grant)
    shown = ShownTerms(openings=received.package.openings, terms=received.package.terms)
    person = gateway.staff.one(None)
    leaf = Leaf(
        chain=gateway.office.network,
        intent=os.urandom(16),
        kind=GRANT,
        notice=ZERO32,
        purpose="TREAT",
        reader=Reader(member=gateway.office.member),
        salt=os.urandom(16),
        session_key=SealingKey.random().public,
        session_ms=900_000,
        subject=grant,
        v=1,
        practitioner=person.id,
    )
    data = codec.encode(leaf)
    tree = IntentTree([data], os.urandom)
    return ReleaseRequest(
        index=0,
        leaf=data,
        member=gateway.office.member,
        path=tree.path(0),
        sequence=sequence,
        wants=[_first_want(world, shown, person.id)],
        shown=shown,
    )


def _first_want(world: World, shown: ShownTerms, practitioner: bytes) -> Want:
    office = world.south.gateway.office
    ask = GroupsAsk(
        created_ms=office.now_ms(),
        to=world.north.id,
        reader=ReaderAsks(purpose="TREAT", shown=shown, practitioner=practitioner),
    )
    found = office.ask(world.north.id, GROUPS, GroupsAsked(ask=codec.encode(ask)), GroupsFound)
    one = containers.parse(found.batches[0].container)
    number = next(at for at, group in enumerate(one.groups) if group is not None)
    return Want(batch=one.head.batch, group=number)
