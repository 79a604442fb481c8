"""A witness answers a right request with its true shares, and logs before it answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.client.unseal import SlotKeys, open_as_reader
from salus.sealed import container as containers
from salus.sealed.grants import Leaf, Reader
from salus.sealed.release import NOT_COVERED, RELEASED, ReleaseAnswer, Want
from tests.support.network import DAY, Granted, Network, Patient, make_network
from tests.support.reader import Session, by_commitment, start


class Case:
    """One patient's two days in two compartments, sealed by member 0, granted to member 1."""

    def __init__(self, folder: Path) -> None:
        """Make it all on a fresh network."""
        self.network: Network = make_network(folder)
        self.patient: Patient = self.network.patient()
        self.sealed = self.network.seal(self.patient, [DAY, DAY - 1])
        self.network.store(self.sealed)
        self.granted: Granted = self.network.grant(self.patient, 1)
        self.wants = [Want(batch=self.sealed.batch, group=group) for group in range(4)]

    def session(self, **changes: object) -> Session:
        """A new session of member 1."""
        return start(self.network, self.granted, 1, self.wants, **changes)  # type: ignore[arg-type]  # the leaf's fields


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case, closed at the end."""
    made = Case(tmp_path)
    yield made
    made.network.close()


def test_release_opens_records_with_threshold_witnesses(case: Case) -> None:
    """Three of four witnesses' shares and the patient's seeds open every record."""
    session = case.session()
    found: dict[int, dict[int, bytes]] = {}
    for number in (0, 2, 3):
        answer = session.ask(case.network.node(number))
        for want, share in zip(
            case.wants, session.shares(answer, number + 1, case.wants), strict=True
        ):
            assert share.answer == RELEASED
            found.setdefault(want.group, {})[number + 1] = share.share

    container = containers.parse(case.sealed.container)
    seeds = {(keys.tag, 0): keys.seeds(0, DAY - 30, DAY) for keys in case.patient.tags.values()}
    bodies = [
        record.body
        for group, shares in found.items()
        for record in open_as_reader(
            container, group, shares=shares, keys=SlotKeys(seeds)
        ).records()
    ]
    assert [b'{"resourceType":"Observation"}'] * 4 == bodies


def test_release_logs_one_line_a_tag(case: Case) -> None:
    """What left is in the log when the answer is there: a line a tag, leaf and wants in it."""
    node = case.network.node(2)
    case.session().ask(node)

    assert (2, 2) == (node.witness.log_size, node.witness.verify_log())


def test_release_names_final_height(case: Case) -> None:
    """The answer says by which final block was decided."""
    answer = case.session().ask(case.network.node(0))

    assert isinstance(answer, ReleaseAnswer)
    assert case.network.ledger.tip.height == answer.height


def test_commitment_is_enough_after_first_request(case: Case) -> None:
    """A second request of a session shows the commitment alone."""
    node = case.network.node(0)
    session = case.session()
    session.ask(node)
    answer = session.ask(node, case.wants[:1], **by_commitment(case.granted))

    assert [RELEASED] == [one.answer for one in session.shares(answer, 1, case.wants[:1])]


def test_unknown_group_is_one_answer_not_a_refusal(case: Case) -> None:
    """A group nobody has is W14 and leaves the other wants as they are."""
    wants = [case.wants[0], Want(batch=case.sealed.batch, group=99)]
    session = case.session()
    answer = session.ask(case.network.node(0), wants)
    shares = session.shares(answer, 1, wants)

    assert [RELEASED, NOT_COVERED] == [one.answer for one in shares]
    assert bytes(32) == shares[1].share


def test_nothing_covered_logs_nothing(case: Case) -> None:
    """Where no share leaves, the log stays as it is."""
    node = case.network.node(0)
    case.session().ask(node, [Want(batch=bytes(16), group=0)])

    assert 0 == node.witness.log_size


def test_wallet_reads_through_a_member(case: Case) -> None:
    """A person's wallet reads by its own signature over the leaf, carried by any member."""
    wallet = SigningKey.random()
    granted = case.network.grant(case.patient, 1, reader=Reader(wallet=wallet.public))
    session = start(case.network, granted, 3, case.wants, wallet=wallet)
    answer = session.ask(case.network.node(0))

    assert [RELEASED] * 4 == [one.answer for one in session.shares(answer, 1, case.wants)]


def test_one_request_at_a_time_per_session(case: Case) -> None:
    """A second request of a session is turned away while the first is under way."""
    node = case.network.node(0)
    session = case.session()
    refused: list[str] = []

    def ask_again() -> None:
        node.witness._fresh_tip = None
        with pytest.raises(Problem) as caught:
            session.ask(node)
        refused.append(caught.value.name)

    node.witness._fresh_tip = ask_again
    case.network.clock.time_ms += 31_000
    session.ask(node)

    assert ["SessionBusy"] == refused


def test_idle_ledger_is_renewed_before_it_counts_as_lagging(case: Case) -> None:
    """An idle tip is renewed once it is 30 s old, so that a release does not fail for silence."""
    node = case.network.node(0)
    session = case.session()
    node.witness._fresh_tip = lambda: case.network.wait(200_000)
    case.network.clock.time_ms += 200_000
    answer = session.ask(node)

    assert isinstance(answer, ReleaseAnswer)


def test_leaf_of_second_place_is_found(case: Case) -> None:
    """Any leaf under the intent's root counts, by its own index and path."""
    session = case.session()
    leaf = codec.decode(session.request.leaf, Leaf)
    other = replace(leaf, intent=bytes(16))

    assert other != leaf
    assert isinstance(session.ask(case.network.node(0)), ReleaseAnswer)


def test_sessions_of_a_day_are_counted_across_a_restart(case: Case) -> None:
    """The count of the day is read from the log again: a restart gives no new sessions."""
    granted = case.network.grant(case.patient, 1, sessions_per_day=1)
    first = start(case.network, granted, 1, case.wants)
    second = start(case.network, granted, 1, case.wants)
    first.ask(case.network.node(0))
    node = case.network.reopen(0)

    answers = (second.ask(node), first.ask(node))
    assert ["W13"] == [one.code for one in answers if not isinstance(one, ReleaseAnswer)]
    assert isinstance(answers[1], ReleaseAnswer)
