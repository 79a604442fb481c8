"""Patients' roots: on disk before the ledger, one to a person, whatever breaks or races."""

import threading
from typing import Any

import pytest

from salus.base.errors import Category, Problem
from salus.gateway import keyring as keyrings
from salus.gateway.keyring import POOL, POOL_LOW, POOL_ROOTS, Patient
from tests.acceptance.world import World

PATIENCE_S = 30.0


@pytest.fixture
def filled_when_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fill beside, so that a pool holds still and can be drained."""
    monkeypatch.setattr(keyrings, "POOL_LOW", -1)


def test_people_enrolled_at_once_never_share_a_root(world: World) -> None:
    """Eight threads take from one pool."""
    keyring = world.north.gateway._keyring
    people: list[Patient] = []

    def enrol(number: int) -> None:
        people.extend(keyring.enrol([f"Patient/at-once-{number}-{n}"], "") for n in range(4))

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 32 == len({one.root for one in people})


def test_one_person_enrolled_at_once_by_many_is_one_patient(world: World) -> None:
    """The same name from eight threads gives one handle."""
    keyring = world.north.gateway._keyring
    people: list[Patient] = []

    def enrol() -> None:
        people.append(keyring.enrol(["Patient/one"], "One"))

    threads = [threading.Thread(target=enrol) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len({one.handle for one in people})


@pytest.mark.usefixtures("filled_when_empty")
def test_a_crash_while_a_person_is_taken_in_leaves_the_root_in_the_pool(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Person and pool change in one step: never both, never neither."""
    gateway = world.north.gateway
    gateway._keyring.enrol(["Patient/before"], "")
    pool = dict(gateway.desk.all(POOL))
    change = gateway.desk.change

    def dies(puts: Any, deletes: Any = ()) -> None:
        if deletes:
            raise KeyboardInterrupt
        change(puts)

    monkeypatch.setattr(gateway.desk, "change", dies)
    with pytest.raises(KeyboardInterrupt):
        gateway._keyring.enrol(["Patient/half-taken"], "")
    monkeypatch.undo()

    assert gateway._keyring.by_source("Patient/half-taken") is None
    assert pool == dict(gateway.desk.all(POOL))


def test_a_pool_is_filled_before_it_is_empty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With half of it left, so that no document waits for the ledger; once, not at each taking."""
    gateway = world.network["lab"].gateway
    keyring, office, submit = gateway._keyring, gateway.office, gateway.office.submit
    submitted: list[Any] = []

    def counted(messages: Any) -> Any:
        submitted.append(messages)
        return submit(messages)

    monkeypatch.setattr(office, "submit", counted)
    keyring.enrol(["Patient/ahead"], "")
    while len(keyring._ready()) > POOL_LOW:
        keyring.enrol([f"Patient/ahead-{len(keyring._ready())}"], "")
    submitted.clear()
    keyring.enrol(["Patient/low"], "")
    keyring.enrol(["Patient/lower"], "")
    assert keyring._filling is not None
    keyring._filling.result(PATIENCE_S)

    assert 1 == len(submitted)
    assert POOL_LOW - 2 + POOL_ROOTS == len(keyring._ready())


ENDS = {"a crash before the ledger": False, "an end nobody heard of": True}


@pytest.mark.usefixtures("filled_when_empty")
@pytest.mark.parametrize("arrives", ENDS.values(), ids=ENDS.keys())
def test_a_broken_fill_is_taken_up_again(
    world: World, monkeypatch: pytest.MonkeyPatch, *, arrives: bool
) -> None:
    """Roots on disk whose tags may be on the ledger or not: they are used, and none is lost."""
    gateway = world.network["lab"].gateway
    office = gateway.office
    while list(gateway.desk.all(POOL)):
        gateway._keyring.enrol([f"Patient/drain-{len(list(gateway.patients()))}"], "")
    submit = office.submit

    def breaks(messages: Any) -> None:
        if arrives:
            submit(messages)
        raise Problem(Category.UNKNOWN_OUTCOME, "UnknownOutcome", "no block within 30 s")

    monkeypatch.setattr(office, "submit", breaks)
    with pytest.raises(Problem, match="UnknownOutcome"):
        gateway._keyring.enrol([f"Patient/broken-{arrives}"], "")
    monkeypatch.undo()
    roots = {root for _, root in gateway.desk.all(POOL)}
    patient = gateway._keyring.enrol([f"Patient/broken-{arrives}"], "")

    assert POOL_ROOTS == len(roots)
    assert patient.root in roots
    assert POOL_ROOTS - 1 == len(list(gateway.desk.all(POOL)))


def test_a_fill_that_arrived_while_it_was_sent_again_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger says TagExists to the second: then the tags are there, which is what counts."""
    gateway = world.network["insurer"].gateway
    office = gateway.office
    submit = office.submit

    def twice(messages: Any) -> Any:
        submit(messages)
        return submit(messages)

    monkeypatch.setattr(office, "submit", twice)
    patient = gateway._keyring.enrol(["Patient/twice"], "")

    assert office.tag(patient.wallet.compartment(0).tag) is not None


def test_a_registered_person_whose_end_was_not_heard_of_keeps_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The practitioner's key is on disk before the ledger; registering again uses that one."""
    gateway = world.network["lab"].gateway
    submit = gateway.office.submit

    def unheard(messages: Any) -> None:
        submit(messages)
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway.office, "submit", unheard)
    with pytest.raises(KeyboardInterrupt):
        gateway.staff.register("Dr C. Rash")
    monkeypatch.undo()
    listed = [one.id for one in gateway.staff.all() if one.name == "Dr C. Rash"]
    again = gateway.staff.register("Dr C. Rash")

    assert [again.id] == listed
