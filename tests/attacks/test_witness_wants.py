"""Attacks inside a right request: W14, one answer for every want that is not the reader's."""

from collections.abc import Iterator

import pytest

from salus.base.signing import SigningKey
from salus.modules.consent.messages import StopTag
from salus.sealed import acts
from salus.sealed.acts import StopTagAct
from salus.sealed.grants import Item, sign_opening
from salus.sealed.release import NOT_COVERED, RELEASED, ShownTerms, Want
from tests.support.network import DAY, Network, make_network
from tests.support.witness_case import Case, rotate


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


def test_opening_by_a_stranger_opens_nothing(case: Case) -> None:
    """W14: a reader in league with one patient cannot open a tag that is not theirs."""
    granted = case.grant(on_ledger=False)
    thief = SigningKey.random()
    openings = [
        sign_opening(thief, case.network.ledger.network, granted.shown.terms, item.tag)
        for item in granted.terms.items
    ]
    case.network.put_grant(granted.terms, granted.shown, granted.key)
    shown = ShownTerms(openings=openings, terms=granted.shown.terms)

    assert [NOT_COVERED] * 2 == case.answers(case.session(granted), shown=shown)


def test_old_control_key_opens_nothing(case: Case) -> None:
    """W14: a rotated control key ends the openings of the old one on its tag."""
    granted = case.grant()
    session = case.session(granted)
    keys = case.patient.tags[3]
    rotate(case, keys)
    first_is_rotated = min(case.patient.tags.values(), key=lambda one: one.tag) is keys
    expected = [NOT_COVERED, RELEASED] if first_is_rotated else [RELEASED, NOT_COVERED]

    assert expected == case.answers(session)


def test_stopped_tag_opens_nothing(case: Case) -> None:
    """W14: "stop everything here" ends a grant's item by the tag's era, the other tag stays."""
    granted = case.grant()
    session = case.session(granted)
    keys = case.patient.tags[4]
    act = acts.sign(
        keys.control(0), case.network.ledger.network, StopTagAct(era=1, sequence=2, tag=keys.tag)
    )
    case.network.must([StopTag(act=act.data, signature=act.signature)])

    assert [NOT_COVERED, RELEASED] == sorted(case.answers(session), reverse=True)


def test_old_era_in_terms_opens_nothing(case: Case) -> None:
    """W14: terms that name an era the tag does not have."""
    items = [
        Item(era=7, first_day=DAY, last_day=DAY, tag=tag)
        for tag in sorted(case.patient.tag(number) for number in case.patient.tags)
    ]

    assert [NOT_COVERED] * 2 == case.answers(case.session(case.grant(items=items)))


@pytest.mark.parametrize(("first", "last"), [(DAY + 1, DAY + 9), (DAY - 9, DAY - 1)])
def test_days_outside_the_window_open_nothing(case: Case, first: int, last: int) -> None:
    """W14: a record's day just outside the granted window, on either side."""
    items = [
        Item(era=0, first_day=first, last_day=last, tag=tag)
        for tag in sorted(case.patient.tag(number) for number in case.patient.tags)
    ]

    assert [NOT_COVERED] * 2 == case.answers(case.session(case.grant(items=items)))


def test_another_patients_groups_open_nothing(case: Case) -> None:
    """W14: another person's groups among the wants get the answer of groups that do not exist."""
    other = case.network.patient()
    sealed = case.network.seal(other, [DAY])
    case.network.store(sealed)
    wants = [*case.wants, Want(batch=sealed.batch, group=0), Want(batch=sealed.batch, group=77)]
    answers = dict(zip(sorted(wants), case.answers(case.session(), wants), strict=True))

    assert [RELEASED, RELEASED, NOT_COVERED, NOT_COVERED] == [answers[want] for want in wants]


def test_uncommitted_batch_opens_nothing(case: Case) -> None:
    """W14: shares of a batch that the ledger does not have stay, though the seat holds them."""
    sealed = case.network.seal(case.patient, [DAY])
    case.node.vault.put(case.network.members[0].id, sealed.container)
    wants = [Want(batch=sealed.batch, group=0)]

    assert [NOT_COVERED] == case.answers(case.session(), wants)
