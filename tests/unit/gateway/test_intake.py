"""From document to records: whose each is, whole or not at all, and never twice."""

import json
import threading
from typing import Any

import pytest

from salus.base.errors import Category, Problem
from salus.gateway import intake
from salus.gateway.batches import INFLIGHT, OWN, THE_ONE
from salus.gateway.gateway import Gateway
from salus.gateway.grants import HOUSE
from salus.gateway.keyring import POOL
from salus.node.vault.messages import PUT
from salus.sealed.record import Meta
from tests.acceptance.world import EVERYTHING, World
from tests.unit.gateway.fhir import bundle, observation, patient

PATIENCE_S = 30.0


def _names(gateway: Gateway) -> set[str]:
    return {one.source for one in gateway.patients()}


def _shown(world: World, source: str) -> list[str]:
    """Ids or texts of what South sees of one of North's patients."""
    found = next(one for one in world.north.gateway.patients() if one.source == source)
    given = world.give(found.handle, EVERYTHING)
    chart = world.south.gateway.open_chart(given.grant, "TREAT")
    return sorted(json.loads(one.body)["resourceType"] for one in chart.records)


def test_a_document_with_two_patients_gives_each_their_own(world: World) -> None:
    """References decide, not the order in the document."""
    document = bundle(
        observation("two-b"), patient("two-a"), observation("two-a"), patient("two-b"),
        observation("two-b"),
    )  # fmt: skip
    report = world.north.gateway.import_fhir([("two.json", document)])

    assert (5, 2, 0) == (report.records, report.patients, len(report.refused))
    assert ["Observation", "Patient"] == _shown(world, "Patient/two-a")
    assert ["Observation", "Observation", "Patient"] == _shown(world, "Patient/two-b")


def test_later_documents_may_refer_by_any_name_of_a_known_patient(world: World) -> None:
    """By id, by a version of it, and by the fullUrl that brought the person."""
    url = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000001"
    world.north.gateway.import_fhir([("p.json", bundle(patient("known"), urls=[url]))])
    report = world.north.gateway.import_fhir(
        [
            ("a.json", bundle(observation("known", code={"text": "a"}))),
            ("b.json", bundle(observation("known/_history/2", code={"text": "b"}))),
            ("c.json", bundle(observation(url, code={"text": "c"}))),
        ]
    )

    assert (3, []) == (report.records, report.refused)
    assert ["Observation"] * 3 + ["Patient"] == _shown(world, "Patient/known")


def test_an_unknown_patient_refuses_the_whole_document_and_enrols_nobody(world: World) -> None:
    """A refused document leaves no person behind and no record, only itself in quarantine."""
    document = bundle(patient("never"), observation("never"), observation("stranger"))
    pooled = len(list(world.north.gateway.desk.all(POOL)))
    report = world.north.gateway.import_fhir([("mixed.json", document)])

    assert ["PatientUnknown"] == [problem.name for _, problem in report.refused]
    assert 0 == report.records
    assert "Patient/never" not in _names(world.north.gateway)
    assert pooled == len(list(world.north.gateway.desk.all(POOL)))
    assert "stranger" not in report.refused[0][1].text


def test_a_patient_without_id_is_known_by_its_full_url(world: World) -> None:
    """As a sender writes who lets the receiver give the id; without either it is refused."""
    url = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000002"
    unnamed = patient("x")
    del unnamed["id"]
    report = world.north.gateway.import_fhir(
        [
            ("url.json", bundle(unnamed, observation(url), urls=[url])),
            ("none.json", bundle(unnamed)),
        ]
    )

    assert ["PatientUnnamed"] == [problem.name for _, problem in report.refused]
    assert ["Observation", "Patient"] == _shown(world, url)


def test_one_name_of_two_people_is_refused(world: World) -> None:
    """An id of one known person with the fullUrl of another must not join their records."""
    urls = [f"urn:uuid:0a1b2c3d-0000-4000-8000-00000000000{number}" for number in (3, 4)]
    world.north.gateway.import_fhir(
        [("two.json", bundle(patient("first"), patient("second"), urls=urls))]
    )
    report = world.north.gateway.import_fhir(
        [
            ("swapped.json", bundle(patient("first"), urls=[urls[1]])),
            ("twice.json", bundle(patient("t"), patient("t"), urls=[None, urls[0]])),
        ]
    )

    assert ["PatientAmbiguous"] * 2 == [problem.name for _, problem in report.refused]


def test_what_is_of_nobody_or_of_two_stands_in_no_grant(world: World) -> None:
    """A clinical record without a patient, or of two, opens neither with theirs nor the house's."""
    both: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": "booked",
        "participant": [
            {"actor": {"reference": f"Patient/{name}"}, "status": "accepted"}
            for name in ("pair-a", "pair-b")
        ],
    }
    report = world.north.gateway.import_fhir(
        [("pair.json", bundle(patient("pair-a"), patient("pair-b"), both, observation(None)))]
    )
    given = world.give(HOUSE, EVERYTHING)

    assert (4, []) == (report.records, report.refused)
    assert ["Patient"] == _shown(world, "Patient/pair-a")
    assert ["Patient"] == _shown(world, "Patient/pair-b")
    house = {one.type for one in world.south.gateway.open_chart(given.grant, "TREAT").records}
    assert not house & {"Observation", "Appointment", "Patient"}


def test_more_patients_than_the_pool_holds_each_have_their_own_root(world: World) -> None:
    """Forty people in one document: the pool is filled as it runs dry."""
    people = [patient(f"pool-{number}") for number in range(40)]
    report = world.north.gateway.import_fhir([("forty.json", bundle(*people))])
    roots = [one.root for one in world.north.gateway.patients()]

    assert (40, []) == (report.patients, report.refused)
    assert len(roots) == len(set(roots))
    pooled = {root for _, root in world.north.gateway.desk.all(POOL)}
    assert not pooled & set(roots)


def test_a_name_of_null_parts_is_no_fault(world: World) -> None:
    """FHIR lets a given name be null with an extension beside it (2.6.2.1)."""
    name = {"given": [None, "Ada"], "_given": [{"extension": [{"url": "urn:x"}]}, None]}
    report = world.north.gateway.import_fhir(
        [("null.json", bundle({**patient("nulls"), "name": [name]}))]
    )
    found = next(one for one in world.north.gateway.patients() if one.source == "Patient/nulls")

    assert [] == report.refused
    assert "Ada" == found.name


def test_the_same_document_twice_in_one_import_is_written_once(world: World) -> None:
    """Also before the first one is committed."""
    document = bundle(patient("same"), observation("same"))
    report = world.north.gateway.import_fhir([("a.json", document), ("b.json", document)])

    assert (2, 1) == (report.records, report.unchanged)


def test_two_imports_at_once_write_a_document_once(world: World) -> None:
    """Eight threads, one new document: one writes it, seven find it unchanged."""
    document = bundle(patient("race"), observation("race"))
    reports = []

    def take() -> None:
        reports.append(world.north.gateway.import_fhir([("race.json", document)]))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [0] * 7 + [2] == sorted(report.records for report in reports)
    assert ["Observation", "Patient"] == _shown(world, "Patient/race")


def test_a_crash_after_the_commit_does_not_write_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the ledger's word and the desk's: the next import asks again."""
    desk = world.north.gateway.desk
    document = bundle(patient("crash"), observation("crash"))
    own = len(list(desk.all(OWN)))
    change = desk.change

    def dies(puts: Any, deletes: Any = ()) -> None:
        if any(kind == INFLIGHT for kind, _ in deletes):
            raise KeyboardInterrupt
        change(puts, deletes)

    monkeypatch.setattr(desk, "change", dies)
    with pytest.raises(KeyboardInterrupt):
        world.north.gateway.import_fhir([("crash.json", document)])
    monkeypatch.undo()
    size = world.north.node.ledger.tip.log_size
    report = world.north.gateway.import_fhir([("crash.json", document)])

    assert (0, 1) == (report.records, report.unchanged)
    assert size == world.north.node.ledger.tip.log_size
    assert own + 1 == len(list(desk.all(OWN)))
    assert [] == list(desk.all(INFLIGHT))
    assert ["Observation", "Patient"] == _shown(world, "Patient/crash")


def test_a_crash_before_the_sending_is_made_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept but not sent: the next import sends the kept bytes, and the document is done."""
    office = world.north.gateway.office
    document = bundle(patient("unsent"), observation("unsent"))

    def dies(_envelope: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(office, "send", dies)
    with pytest.raises(KeyboardInterrupt):
        world.north.gateway.import_fhir([("unsent.json", document)])
    monkeypatch.undo()
    report = world.north.gateway.import_fhir([("unsent.json", document)])

    assert (0, 1) == (report.records, report.unchanged)
    assert ["Observation", "Patient"] == _shown(world, "Patient/unsent")


def test_kept_bytes_that_came_too_late_are_sealed_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After their lifetime no block takes them: they are dropped, and the document is written."""
    gateway = world.north.gateway
    document = bundle(patient("late"), observation("late"))

    def dies(_envelope: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway.office, "send", dies)
    with pytest.raises(KeyboardInterrupt):
        gateway.import_fhir([("late.json", document)])
    monkeypatch.undo()
    world.clock.forward(10 * 60_000)
    report = gateway.import_fhir([("late.json", document)])

    assert (2, 0, []) == (report.records, report.unchanged, report.refused)
    assert ["Observation", "Patient"] == _shown(world, "Patient/late")


def test_too_few_members_end_the_import_and_quarantine_nothing(world: World) -> None:
    """What lies in no document is no document's fault; later all of it comes in."""
    world.network.stop_member("lab")
    world.network.stop_member("insurer")
    document = bundle(patient("quorum"), observation("quorum"))
    with pytest.raises(Problem, match="QuorumMissing"):
        world.north.gateway.import_fhir([("quorum.json", document)])

    kept = [one.name for one in world.north.gateway.quarantine()]
    world.network.start()

    assert "quorum.json" not in kept
    assert 2 == world.north.gateway.import_fhir([("quorum.json", document)]).records


def test_the_guilty_document_alone_is_refused_by_the_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch refused for what is in it is halved until the guilty one stands alone (14)."""
    gateway = world.north.gateway
    documents = [(f"half-{number}.json", bundle(patient(f"half-{number}"))) for number in range(5)]
    seal = gateway._intake._sealer.seal

    def refuses(records: Any, keys: Any, seats: Any) -> Any:
        metas: list[Meta] = [record.meta for record in records]
        if any(meta.id == "half-3" for meta in metas):
            raise Problem(Category.TOO_LARGE, "RecordTooLarge", "too large")
        return seal(records, keys, seats)

    monkeypatch.setattr(gateway._intake._sealer, "seal", refuses)
    report = gateway.import_fhir(documents)

    assert [("half-3.json", "RecordTooLarge")] == [
        (name, problem.name) for name, problem in report.refused
    ]
    assert 4 == report.records


def test_the_next_step_is_stored_while_the_ledger_decides(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of three steps is not sent before the second is stored; all three are written."""
    gateway = world.north.gateway
    monkeypatch.setattr(intake, "GATHERED_RECORDS", 1)
    stored, send, ask_all = threading.Semaphore(0), gateway.office.send, gateway.office.ask_all

    def asks(members: Any, route: str, *rest: Any) -> Any:
        answers = ask_all(members, route, *rest)
        if route == PUT:
            stored.release()
        return answers

    def sends(envelope: bytes) -> Any:
        if not sent:
            assert all(stored.acquire(timeout=PATIENCE_S) for _ in range(2))
        sent.append(envelope)
        return send(envelope)

    sent: list[bytes] = []
    monkeypatch.setattr(gateway.office, "ask_all", asks)
    monkeypatch.setattr(gateway.office, "send", sends)
    documents = [(f"step-{n}.json", bundle(patient(f"step-{n}"))) for n in range(3)]
    report = gateway.import_fhir(documents)

    assert (3, 3, []) == (report.records, len(sent), report.refused)


def test_the_guilty_document_is_found_by_the_ledger_while_the_next_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of a step that the ledger refuses are tried alone; the steps around them come in."""
    gateway = world.north.gateway
    monkeypatch.setattr(intake, "GATHERED_RECORDS", 2)
    finish, seal = gateway._batches._finish, gateway._intake._sealer.seal
    guilty: set[bytes] = set()

    def notes(records: Any, keys: Any, seats: Any) -> Any:
        sealed = seal(records, keys, seats)
        if any(record.meta.id == "late-2" for record in records):
            guilty.add(sealed.root)
        return sealed

    def refuses(stored: Any, *rest: Any) -> Any:
        if any(message.root in guilty for message in stored.messages):
            raise Problem(Category.INVALID, "BatchInvalid", "as a ledger's V refusal", code="V7")
        return finish(stored, *rest)

    monkeypatch.setattr(gateway._intake._sealer, "seal", notes)
    monkeypatch.setattr(gateway._batches, "_finish", refuses)
    documents = [(f"late-{n}.json", bundle(patient(f"late-{n}"))) for n in range(6)]
    report = gateway.import_fhir(documents)
    monkeypatch.undo()

    assert [("late-2.json", "BatchInvalid")] == [(one, why.name) for one, why in report.refused]
    assert 5 == report.records
    assert 5 == gateway.import_fhir(documents).unchanged


def test_an_import_that_ends_in_trouble_leaves_nothing_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's end of the first step is unknown: the second waits for it; then all is there."""
    gateway = world.north.gateway
    monkeypatch.setattr(intake, "GATHERED_RECORDS", 1)
    send = gateway.office.send

    def unheard(envelope: bytes) -> Any:
        send(envelope)
        raise Problem(Category.UNKNOWN_OUTCOME, "UnknownOutcome", "no block within 30 s")

    monkeypatch.setattr(gateway.office, "send", unheard)
    documents = [(f"trouble-{n}.json", bundle(patient(f"trouble-{n}"))) for n in range(3)]
    with pytest.raises(Problem, match="UnknownOutcome"):
        gateway.import_fhir(documents)
    monkeypatch.undo()
    again = gateway.import_fhir(documents)

    assert (2, 1) == (again.records, again.unchanged)
    assert gateway.desk.get(INFLIGHT, THE_ONE) is None


def test_a_document_over_the_limits_is_refused_and_told(world: World) -> None:
    """More than 20,000 lines of NDJSON: TooLarge, and the others of the import go on."""
    lines = b'{"resourceType":"Patient","id":"x"}\n' * 20_001
    report = world.north.gateway.import_fhir(
        [("many.ndjson", lines), ("ok.json", bundle(patient("after-limit")))]
    )

    assert ["TooLarge"] == [problem.name for _, problem in report.refused]
    assert 1 == report.records


def test_a_replay_leaves_quarantine_only_if_taken(world: World) -> None:
    """Refused again it stays once, with a count; its patient known, it comes in and leaves."""
    gateway = world.north.gateway
    gateway.import_fhir([("early.json", bundle(observation("early")))])
    place = next(one.id for one in gateway.quarantine() if one.name == "early.json")
    again = gateway.replay(place)
    kept = [one.count for one in gateway.quarantine() if one.id == place]
    gateway.import_fhir([("early-patient.json", bundle(patient("early")))])
    taken = gateway.replay(place)

    assert 1 == len(again.refused)
    assert [2] == kept
    assert 1 == taken.records
    assert place not in [one.id for one in gateway.quarantine()]
