"""Practitioners: two issuers and the person sign; each refusal in order, then what passes."""

from typing import Any

import pytest

from salus.base.errors import Refusal
from salus.base.signing import SigningKey
from salus.modules.members import queries, refusals, rules
from salus.modules.members.events import PractitionerEnded, PractitionerRegistered
from salus.modules.members.handlers import end_practitioner, register_practitioner
from salus.modules.members.messages import EndPractitioner, RegisterPractitioner, Voucher
from tests.support.machine import Actor, Ledger, Person, told

DAY_MS = 86_400_000
DOCTOR = Person("Doctor", role=1)
SMALL = b"\x01\x01" + bytes(31)


def registration(
    ledger: Ledger, actor: Actor, person: Person = DOCTOR, **changes: Any
) -> RegisterPractitioner:
    """
    A registration that passes but for `changes`.

    `issuers`: who vouches; `network`, `member`: what they sign for instead; `signer`: who signs as
    the person; other names are fields of the claim.
    """
    issuers = changes.pop("issuers", actor.issuers)
    network = changes.pop("network", ledger.network)
    member = changes.pop("member", actor.id)
    signer: SigningKey = changes.pop("signer", person.key)
    fields = {
        "id": person.id,
        "role": person.role,
        "key": person.key.public,
        "credential": person.credential,
        "from_ms": ledger.time_ms,
        "until_ms": ledger.time_ms + 365 * DAY_MS,
        **changes,
    }
    signed = rules.claim_bytes(network, member, rules.Claim(**fields))
    vouchers = [Voucher(id=one.id, sig=one.key.sign(signed)) for one in issuers]
    return RegisterPractitioner(issuers=vouchers, proof=signer.sign(signed), **fields)


def rows(ledger: Ledger) -> dict[str, tuple[dict[str, Any], type[Refusal]]]:
    """RegisterPractitioner's decision table: changes to a good one, and its refusal."""
    mine, theirs = ledger.members[0], ledger.members[1]
    now = ledger.time_ms
    stranger = SigningKey(b"\x44" * 32)
    doctor = Person("Colleague", role=1)
    bad_end: dict[str, Any] = {"issuers": theirs.issuers, "signer": stranger}
    bad_key = {"key": SMALL, **bad_end}
    bad_period = {"from_ms": now + 5, "until_ms": now + 5, **bad_key}
    return {
        "a known id, and all else wrong": (
            {"id": mine.issuers[0].id, "role": 0, **bad_period}, refusals.PractitionerExists),
        "role 0, and all later wrong": ({"role": 0, **bad_period}, refusals.RoleUnknown),
        "role 10, and all later wrong": ({"role": 10, **bad_period}, refusals.RoleUnknown),
        "an empty period, and all later wrong": (bad_period, refusals.PeriodInvalid),
        "a period over with this block, and all later wrong": (
            {"from_ms": now - 9, "until_ms": now + 1_000, **bad_key}, refusals.PeriodInvalid),
        "over 366 days, and all later wrong": (
            {"from_ms": now, "until_ms": now + 366 * DAY_MS + 1, **bad_key},
            refusals.PeriodInvalid),
        "a key of small order, and all later wrong": (bad_key, refusals.KeyInvalid),
        "another member's issuers, unproven": (bad_end, refusals.IssuersInvalid),
        "one issuer twice, unproven": (
            {"issuers": [mine.issuers[0]] * 2, "signer": stranger}, refusals.IssuersInvalid),
        "an unknown issuer, unproven": (
            {"issuers": [mine.issuers[0], doctor], "signer": stranger}, refusals.IssuersInvalid),
        "signed for another network": ({"network": bytes(32)}, refusals.IssuersInvalid),
        "signed for another member": ({"member": theirs.id}, refusals.IssuersInvalid),
        "signed by another key than the person's": (
            {"signer": stranger}, refusals.KeyNotProven),
    }  # fmt: skip


@pytest.mark.parametrize("row", tuple(rows(Ledger(members=2))))
def test_register_practitioner_refuses_in_order(ledger: Ledger, row: str) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    changes, refusal = rows(ledger)[row]
    actor = ledger.members[0]

    with pytest.raises(refusal):
        register_practitioner(ledger.context(actor), registration(ledger, actor, **changes))


def test_a_registered_person_may_act(ledger: Ledger) -> None:
    """Two issuers and the person signed: the row stands, within its dates."""
    actor = ledger.members[0]

    receipt = ledger.send(actor, registration(ledger, actor, until_ms=ledger.time_ms + DAY_MS))

    event = PractitionerRegistered(member=actor.id, practitioner=DOCTOR.id)
    assert [event] == told(receipt.events, PractitionerRegistered)
    view = ledger.context()
    person = queries.practitioner(view, DOCTOR.id)
    assert person is not None
    assert [one.id for one in actor.issuers] == person.issuers
    assert queries.practising(view, DOCTOR.id, actor.id, person.from_ms)
    assert not queries.practising(view, DOCTOR.id, actor.id, person.from_ms - 1)
    assert not queries.practising(view, DOCTOR.id, actor.id, person.until_ms)
    assert not queries.practising(view, DOCTOR.id, ledger.members[1].id, person.from_ms)
    assert not queries.practising(view, bytes(16), actor.id, person.from_ms)


@pytest.mark.parametrize("lapse", ["not an issuer", "ended", "expired"])
def test_only_active_issuers_vouch(ledger: Ledger, lapse: str) -> None:
    """A colleague of another role, an ended issuer, a lapsed one: none of their words counts."""
    actor = ledger.members[0]
    ledger.send(actor, registration(ledger, actor))
    issuers: list[Person] = list(actor.issuers)
    if lapse == "not an issuer":
        issuers[1] = DOCTOR
    if lapse == "ended":
        ledger.send(actor, EndPractitioner(id=issuers[1].id))
    if lapse == "expired":
        ledger.time_ms += 366 * DAY_MS
    new = registration(ledger, actor, Person("Nurse", role=2), issuers=issuers)

    with pytest.raises(refusals.IssuersInvalid):
        register_practitioner(ledger.context(actor), new)


def test_a_registration_cannot_be_replayed(ledger: Ledger) -> None:
    """The same signatures do not register the person anew once ended."""
    actor = ledger.members[0]
    message = registration(ledger, actor)
    ledger.send(actor, message)
    ledger.send(actor, EndPractitioner(id=DOCTOR.id))

    with pytest.raises(refusals.PractitionerExists):
        register_practitioner(ledger.context(actor), message)


def test_end_practitioner_refuses_in_order(ledger: Ledger) -> None:
    """Unknown; another's, though ended already; ended already."""
    actor, other = ledger.members[:2]
    ledger.send(other, EndPractitioner(id=other.issuers[0].id))
    ledger.send(actor, EndPractitioner(id=actor.issuers[0].id))
    refused: dict[bytes, type[Refusal]] = {
        bytes(16): refusals.PractitionerUnknown,
        other.issuers[0].id: refusals.PractitionerNotYours,
        actor.issuers[0].id: refusals.AlreadyEnded,
    }

    for practitioner, refusal in refused.items():
        with pytest.raises(refusal):
            end_practitioner(ledger.context(actor), EndPractitioner(id=practitioner))


def test_an_ended_person_acts_no_more(ledger: Ledger) -> None:
    """From the very block that ends it."""
    actor = ledger.members[0]
    issuer = actor.issuers[0]

    receipt = ledger.send(actor, EndPractitioner(id=issuer.id))

    event = PractitionerEnded(member=actor.id, practitioner=issuer.id)
    assert [event] == told(receipt.events, PractitionerEnded)
    view = ledger.context()
    assert not queries.practising(view, issuer.id, actor.id, ledger.time_ms)
    assert queries.practising(view, issuer.id, actor.id, ledger.time_ms - 1)
