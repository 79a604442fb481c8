"""A witness answers a right request with its true shares, and logs before it answers."""

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.client.unseal import SlotKeys, open_as_reader
from salus.node.ports import RealDisk, StrictDisk
from salus.sealed import container as containers
from salus.sealed.grants import Reader
from salus.sealed.release import NOT_COVERED, RELEASED, ReleaseAnswer, Want
from tests.support.network import DAY, Network, make_network
from tests.support.parts import Granted, Patient
from tests.support.reader import Session, by_commitment, start


class _FailingDisk(RealDisk):
    """A disk whose syncs fail."""

    def fdatasync(self, file: int) -> None:
        """Fail."""
        raise OSError(errno.EIO, f"descriptor {file}")


class Case:
    """One patient's two days in two compartments, sealed by member 0, granted to member 1."""

    def __init__(self, network: Network) -> None:
        """Make it all with a patient of its own."""
        network.clock.time_ms = network.ledger.tip.time_ms
        self.network = network
        self.patient: Patient = self.network.patient()
        self.sealed = self.network.seal(self.patient, [DAY, DAY - 1])
        self.network.store(self.sealed)
        self.granted: Granted = self.network.grant(self.patient, 1)
        self.wants = [Want(batch=self.sealed.batch, group=group) for group in range(4)]

    def session(self, **changes: object) -> Session:
        """A new session of member 1."""
        return start(self.network, self.granted, 1, self.wants, **changes)  # type: ignore[arg-type]  # the leaf's fields


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all tests of this file."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def case(network: Network) -> Case:
    """A case of its own on the network."""
    return Case(network)


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
    witness = case.network.node(2).witness
    before = witness.log_size
    case.session().ask(case.network.node(2))

    assert before + 2 == witness.log_size == witness.verify_log()


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
    before = node.witness.log_size
    case.session().ask(node, [Want(batch=bytes(16), group=0)])

    assert before == node.witness.log_size


def test_wallet_reads_through_a_member(case: Case) -> None:
    """A person's wallet reads by its own signature over the leaf, carried by any member."""
    wallet = SigningKey.random()
    granted = case.network.grant(case.patient, 1, reader=Reader(wallet=wallet.public))
    session = start(case.network, granted, 3, case.wants, wallet=wallet)
    answer = session.ask(case.network.node(0))

    assert [RELEASED] * 4 == [one.answer for one in session.shares(answer, 1, case.wants)]


def test_one_request_at_a_time_per_session(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second request of a session is turned away while the first is under way."""
    node = case.network.node(0)
    session = case.session()
    refused: list[str] = []

    def ask_again() -> None:
        monkeypatch.undo()
        with pytest.raises(Problem) as caught:
            session.ask(node)
        refused.append(caught.value.name)

    monkeypatch.setattr(node.witness, "_fresh_tip", ask_again)
    case.network.clock.time_ms += 31_000
    session.ask(node)

    assert ["SessionBusy"] == refused


def test_idle_ledger_is_renewed_before_it_counts_as_lagging(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle tip is renewed once it is 30 s old, so that a release does not fail for silence."""
    node = case.network.node(0)
    session = case.session()
    monkeypatch.setattr(node.witness, "_fresh_tip", lambda: case.network.wait(200_000))
    case.network.clock.time_ms += 200_000
    answer = session.ask(node)

    assert isinstance(answer, ReleaseAnswer)


def test_no_share_leaves_before_its_line_is_synced(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log's sync fails the process ends; no answer was given."""

    def die(reason: str) -> NoReturn:
        raise SystemExit(reason)

    log = case.network.node(3).witness._log
    monkeypatch.setattr(log, "_disk", StrictDisk(_FailingDisk(), die))
    with pytest.raises(SystemExit, match="a sync failed"):
        case.session().ask(case.network.node(3))


def test_two_sessions_cannot_both_be_the_last(case: Case) -> None:
    """Sessions that come at the same moment are counted one after another."""
    granted = case.network.grant(case.patient, 1, sessions_per_day=1)
    sessions = [start(case.network, granted, 1, case.wants) for _ in range(4)]
    node = case.network.node(0)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda session: session.ask(node), sessions))

    assert 1 == sum(isinstance(answer, ReleaseAnswer) for answer in answers)


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
