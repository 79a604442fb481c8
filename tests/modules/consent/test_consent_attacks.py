"""What strangers, relays and thieves of old keys try; each is refused on the real machine."""

import msgspec
import pytest

from salus.base import codec
from salus.base.signing import SignatureRefused
from salus.machine.module import Message
from salus.modules.consent.messages import PutGrant, RevokeGrant, StopTag
from salus.modules.consent.queries import grant, grant_status, tag
from salus.sealed import acts, grants
from salus.sealed.acts import Link
from salus.sealed.grants import RevokeGrantAct
from tests.modules.consent.world import (
    CONTROL,
    GRANT,
    NEW_CONTROL,
    OPEN,
    STRANGER,
    ledger_with_tags,
    new_ledger,
    put,
    revoke,
    stop,
    update,
)
from tests.support.machine import Ledger
from tests.unit.sealed.grant_world import TERMS

BAD_SIGNATURE = 4_008
SEQUENCE = 4_007
ERA = 4_011
GRANT_EXISTS = 4_017
ALREADY_REVOKED = 4_022


def send(ledger: Ledger, message: Message) -> int:
    """The code of one message, carried by the first member."""
    return ledger.send(ledger.members[0], message).code


def test_a_stranger_acts_for_no_tag() -> None:
    """A relay's own or a stranger's signature moves no tag, by no field."""
    ledger = ledger_with_tags()

    assert BAD_SIGNATURE == send(ledger, stop(ledger, signer=STRANGER))
    assert BAD_SIGNATURE == send(ledger, update(ledger, signer=STRANGER))


def test_a_relay_cannot_alter_an_act() -> None:
    """The signature of one act stands under no other bytes."""
    ledger = ledger_with_tags()
    wanted = update(ledger)
    worse = update(ledger, open=False)

    assert BAD_SIGNATURE == send(ledger, msgspec.structs.replace(wanted, act=worse.act))


def test_an_old_control_key_acts_no_more() -> None:
    """After a rotation the stolen old key signs nothing, and its openings and links are dead."""
    ledger = ledger_with_tags()
    rotated = update(ledger, control_key=NEW_CONTROL.public, prover=NEW_CONTROL)
    assert send(ledger, rotated) == 0
    record = tag(ledger.context(), OPEN)
    assert record is not None

    assert BAD_SIGNATURE == send(ledger, stop(ledger, sequence=2))
    assert BAD_SIGNATURE == send(ledger, update(ledger, sequence=2))
    link = acts.sign(CONTROL, ledger.network, Link(emergency=False, era=0, tag=OPEN, until=1))
    with pytest.raises(SignatureRefused):
        acts.check(Link, record.control_key, ledger.network, *link)


def test_a_stopped_era_does_not_return() -> None:
    """An update prepared before the stop cannot bring the old era back, nor a new one made so."""
    ledger = ledger_with_tags()
    prepared = update(ledger)
    assert send(ledger, stop(ledger)) == 0

    assert SEQUENCE == send(ledger, prepared)
    assert ERA == send(ledger, update(ledger, sequence=2, era=0))
    assert send(ledger, update(ledger, sequence=2, era=1)) == 0


def test_an_act_counts_once() -> None:
    """A replayed act is refused by its sequence, whoever carries it."""
    ledger = ledger_with_tags()
    act = stop(ledger)
    assert send(ledger, act) == 0

    assert SEQUENCE == send(ledger, act)
    assert SEQUENCE == ledger.send(ledger.members[3], act).code


def test_an_act_counts_on_one_network() -> None:
    """The same keys on another network sign other bytes."""
    ledger, other = ledger_with_tags(), new_ledger(members=5)
    assert ledger.network != other.network

    assert BAD_SIGNATURE == send(ledger, stop(other))
    assert BAD_SIGNATURE == send(ledger, put(other))


def test_one_acts_signature_is_no_others() -> None:
    """An opening, a link or another act of the same key and bytes is not an act."""
    ledger = ledger_with_tags()
    act = stop(ledger).act
    for name in ("act-update", "link", "opening", "new-control", "tag", "tx"):
        signature = CONTROL.sign(acts.signed_bytes(name, ledger.network, act))

        assert BAD_SIGNATURE == send(ledger, StopTag(act=act, signature=signature))


def test_a_grant_is_not_issued_again_under_another_key() -> None:
    """
    A relay that keeps the terms but puts its own key can neither replace nor outlive the grant.

    After the patient it finds the id taken; before the patient it puts a grant whose key is not
    the one in the terms, and a witness compares them (corrections 2).
    """
    terms = grants.commitment(codec.encode(TERMS))
    ledger = new_ledger()
    honest = put(ledger, commitment=terms)
    stolen = put(ledger, commitment=terms, grant_key=STRANGER.public, signer=STRANGER)
    assert send(ledger, honest) == 0

    assert GRANT_EXISTS == send(ledger, stolen)
    assert send(ledger, revoke(ledger)) == 0
    assert "revoked" == grant_status(ledger.context(), GRANT, ledger.time_ms)
    assert GRANT_EXISTS == send(ledger, honest)

    front = new_ledger()
    assert (
        send(front, put(front, commitment=terms, grant_key=STRANGER.public, signer=STRANGER)) == 0
    )
    row = grant(front.context(), GRANT)
    assert row is not None
    assert TERMS.grant_key != row.grant_key


def test_a_relay_cannot_put_a_key_it_does_not_hold() -> None:
    """A grant under the patient's key needs the patient's signature."""
    ledger = new_ledger()

    assert BAD_SIGNATURE == send(ledger, put(ledger, signer=STRANGER))


def test_only_the_grant_key_ends_a_grant_and_for_good() -> None:
    """Not a tag's key, not a stranger's; and what is ended stays so."""
    ledger = new_ledger()
    assert send(ledger, put(ledger)) == 0
    for thief in (STRANGER, CONTROL):
        assert BAD_SIGNATURE == send(ledger, revoke(ledger, signer=thief))
    put_signature = put(ledger).signature
    crossed = RevokeGrant(act=codec.encode(RevokeGrantAct(grant=GRANT)), signature=put_signature)
    assert BAD_SIGNATURE == send(ledger, crossed)
    assert send(ledger, revoke(ledger)) == 0

    assert ALREADY_REVOKED == send(ledger, revoke(ledger))


def test_an_act_is_bounded_and_hostile_bytes_are_a_refusal() -> None:
    """Over 1 KiB is out of form; deep nesting, wrong types and trailing bytes are ActMalformed."""
    ledger = ledger_with_tags()
    good = put(ledger)
    assert 5 == send(ledger, PutGrant(act=bytes(1_025), signature=good.signature))
    for hostile in (b"", b"\x91" * 1_024, b"\xc0", good.act + b"\x00", good.act[:-1]):
        assert 4_038 == send(ledger, PutGrant(act=hostile, signature=good.signature))
