"""
Attacks on a witness, each refused by its own W code (`patient-control.md` §5.4).

In the table each request breaks its rule and, where they can be broken too, later ones: the first
code that applies is the answer.
"""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.signing import SigningKey
from salus.modules.members.messages import EndPractitioner
from salus.sealed import acts
from salus.sealed.grants import Reader
from salus.sealed.release import (
    ReleaseAnswer,
    ReleaseRefusal,
    ShownTerms,
)
from tests.support.network import HOUR_MS, Network, make_network
from tests.support.reader import by_commitment, start
from tests.support.witness_case import READER, Case, revoke


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all attacks of this file."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def case(network: Network, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case of its own on the network."""
    return Case(network, monkeypatch)


Attack = Callable[[Case], ReleaseAnswer | ReleaseRefusal]


def malformed_leaf(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W1: bytes that are no leaf."""
    return case.session().ask(case.node, leaf=b"\x80")


def malformed_terms(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W1: terms that are not canonical."""
    shown = case.grant().shown
    return case.session().ask(case.node, shown=replace(shown, terms=shown.terms + b"\x00"))


def openings_missing(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W1: fewer openings than items."""
    granted = case.grant()
    shown = ShownTerms(openings=granted.shown.openings[:1], terms=granted.shown.terms)
    return case.session(granted).ask(case.node, shown=shown)


def session_key_of_small_order(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W1: a session key to which nothing can be sealed."""
    return case.session(session_key=b"\x01" + bytes(32)).ask(case.node)


def lagging_witness(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W2: the tip lies over 120 s behind the clock, though the ledger would allow."""
    session = case.session()
    case.network.clock.time_ms += 120_001
    return session.ask(case.node, sequence=99)


def no_intent(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: nothing was announced."""
    return case.session(post=False, session_ms=1).ask(case.node)


def forged_path(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: another leaf with the path of the announced one."""
    session = case.session()
    leaf = codec.encode(replace(session.leaf, purpose="BTG"))
    return session.ask(case.node, leaf=leaf)


def shortened_path(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: a path with a hash too few."""
    session = case.session()
    return session.ask(case.node, path=session.request.path[:-1])


def other_intent(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: a leaf shown under a later intent than its own."""
    first, second = case.session(), case.session()
    return first.ask(case.node, sequence=second.request.sequence)


def leaf_of_another_member(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: a member announces a leaf in which another one is the reader."""
    granted = case.grant()
    reader = Reader(member=case.network.members[READER].id)
    thief = start(case.network, granted, 3, case.wants, reader=reader)
    return thief.ask(case.node)


def sender_of_another_request(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: a member sends on a request that another one announced."""
    session = case.session()
    session.member = 3
    return session.ask(case.node)


def wallet_leaf_unsigned(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W3: a wallet's leaf signed by a stranger."""
    wallet = SigningKey.random()
    granted = case.grant(reader=Reader(wallet=wallet.public))
    session = start(case.network, granted, 3, case.wants, wallet=wallet)
    stranger = acts.sign(SigningKey.random(), case.network.ledger.network, session.leaf)
    return session.ask(case.node, leaf_signature=stranger.signature)


def session_over(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W4: 15 minutes after the intent's block nothing is released."""
    session = case.session(practitioner=bytes(16))
    case.network.wait(900_001)
    return session.ask(case.node)


def practitioner_ended(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W5: the person was ended after the intent; another grant is named as well."""
    person = case.network.members[READER].issuers[1].id
    session = case.session(subject=bytes(16), practitioner=person)
    end = EndPractitioner(id=person)
    case.network.must([end], case.network.members[READER])
    return session.ask(case.node)


def practitioner_of_another_member(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W5: a person whom another member registered."""
    return case.session(practitioner=case.network.person(3).id).ask(case.node)


def grant_unknown(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W6: the ledger has no such grant, only its terms were shown."""
    return case.session(case.grant(on_ledger=False)).ask(case.node)


def terms_altered(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W7: terms that say more than the commitment on the ledger, well opened."""
    granted = case.grant()
    wider = replace(granted.terms, from_ms=granted.terms.until_ms - 1)
    shown = case.network.show(case.patient, wider)
    return case.session(granted).ask(case.node, shown=shown)


def grant_reissued(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W7: a relay put the same terms on the ledger under a key of its own."""
    granted = case.grant(on_ledger=False)
    thief = SigningKey.random()
    case.network.put_grant(granted.terms, granted.shown, thief)
    return case.session(granted).ask(case.node)


def commitment_never_shown(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W7: a commitment whose terms this witness has not seen in this session."""
    granted = case.grant()
    case.session(granted).ask(case.node)
    return case.session(granted).ask(case.node, **by_commitment(granted))


def not_yet_valid(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W8: before the first block time of the terms."""
    from_ms = case.network.ledger.tip.time_ms + HOUR_MS
    return case.session(case.grant(from_ms=from_ms), purpose="BTG").ask(case.node)


def expired_by_state_and_terms(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W9: at the block time at which it ends; it was revoked as well."""
    now_ms = case.network.ledger.tip.time_ms
    granted = case.grant(until_ms=(now_ms // HOUR_MS + 1) * HOUR_MS)
    revoke(case, granted)
    case.network.wait(granted.terms.until_ms - case.network.ledger.tip.time_ms - 1_000)
    return case.session(granted).ask(case.node)


def expired_by_terms_alone(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W9: the ledger's end is later than the terms'."""
    now_ms = case.network.ledger.tip.time_ms
    granted = case.grant(on_ledger=False, until_ms=now_ms + 3_000)
    later = replace(granted.terms, until_ms=(now_ms // HOUR_MS + 1) * HOUR_MS)
    case.network.put_grant(later, granted.shown, granted.key)
    case.network.wait(5_000)
    return case.session(granted).ask(case.node)


def expired_by_state_alone(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W9: the terms' end is later than the ledger's."""
    granted = case.grant(on_ledger=False)
    now_ms = case.network.ledger.tip.time_ms
    sooner = replace(granted.terms, until_ms=(now_ms // HOUR_MS + 1) * HOUR_MS)
    case.network.put_grant(sooner, granted.shown, granted.key)
    case.network.wait(sooner.until_ms - case.network.ledger.tip.time_ms)
    return case.session(granted).ask(case.node)


def revoked(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W10: revoked before the intent; the purpose is wrong as well."""
    granted = case.grant()
    revoke(case, granted)
    return case.session(granted, purpose="BTG").ask(case.node)


def revoked_after_the_intent(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W10: a session under way ends with the grant."""
    granted = case.grant()
    session = case.session(granted)
    session.ask(case.node)
    revoke(case, granted)
    return session.ask(case.node)


def other_reader(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W11: a member uses a package made for another one."""
    granted = case.grant()
    return start(case.network, granted, 3, case.wants, purpose="BTG").ask(case.node)


def person_not_named(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W11: the terms name another person of that member."""
    other = case.network.members[READER].issuers[1].id
    return case.session(case.grant(practitioners=[other])).ask(case.node)


def role_not_named(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W11: the terms want physicians; the person is an issuer."""
    return case.session(case.grant(roles=[1])).ask(case.node)


def purpose_not_named(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W12: research under a grant for treatment; no session is left either."""
    granted = case.grant(sessions_per_day=1)
    case.session(granted).ask(case.node)
    return case.session(granted, purpose="HRESCH").ask(case.node)


def sessions_used_up(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W13: a second session of the day where one is allowed, under the same intent id."""
    granted = case.grant(sessions_per_day=1)
    first = case.session(granted)
    first.ask(case.node)
    return case.session(granted, intent=first.leaf.intent).ask(case.node)


def log_full(case: Case) -> ReleaseAnswer | ReleaseRefusal:
    """W16: the log's disk has no room, so nothing leaves."""
    session = case.session()
    case.patch.setattr(case.node.witness._log._disk, "pwrite_if_room", lambda *_: False)
    return session.ask(case.node)


ATTACKS: dict[str, list[Attack]] = {
    "W1": [malformed_leaf, malformed_terms, openings_missing, session_key_of_small_order],
    "W2": [lagging_witness],
    "W3": [
        no_intent,
        forged_path,
        shortened_path,
        other_intent,
        leaf_of_another_member,
        sender_of_another_request,
        wallet_leaf_unsigned,
    ],
    "W4": [session_over],
    "W5": [practitioner_ended, practitioner_of_another_member],
    "W6": [grant_unknown],
    "W7": [terms_altered, grant_reissued, commitment_never_shown],
    "W8": [not_yet_valid],
    "W9": [expired_by_state_and_terms, expired_by_terms_alone, expired_by_state_alone],
    "W10": [revoked, revoked_after_the_intent],
    "W11": [other_reader, person_not_named, role_not_named],
    "W12": [purpose_not_named],
    "W13": [sessions_used_up],
    "W16": [log_full],
}


@pytest.mark.parametrize(
    ("code", "attack"),
    [
        pytest.param(code, attack, id=f"{code}-{attack.__name__}")
        for code, attacks in ATTACKS.items()
        for attack in attacks
    ],
)
def test_attack_is_refused(case: Case, code: str, attack: Attack) -> None:
    """Each attack gets its own code, and no line is logged for what did not leave."""
    before = case.node.witness.log_size
    answer = attack(case)

    assert isinstance(answer, ReleaseRefusal)
    assert code == answer.code
    assert case.node.witness.log_size - before in (0, 2)
