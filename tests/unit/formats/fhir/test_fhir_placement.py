"""Where records belong, against counts made by others and the table row by row."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from salus.formats.fhir.bundle import Bundle, Resource
from salus.formats.fhir.days import Day, day_of
from salus.formats.fhir.elements import definitions
from salus.formats.fhir.labels import LABELS, labels_of
from salus.formats.fhir.patients import patient_of
from salus.formats.fhir.placement import (
    BILLING,
    CATEGORIES,
    DOCUMENTS,
    EMERGENCY,
    GENETIC,
    IDENTITY,
    IMAGING,
    IMMUNISATIONS,
    LABS,
    MEDICINES,
    MENTAL,
    NOTES,
    PROBLEMS,
    SEXUAL,
    SUBSTANCE,
    TYPES,
    VISITS,
    VITALS,
    Placement,
    ordinary_compartment,
    place,
)

DATA = Path(__file__).parents[4] / "tests/data/fhir"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"


def coded(system: str, code: str, **members: object) -> dict[str, Any]:
    """A condition with one code."""
    coding = {"system": system, "code": code}
    return {"resourceType": "Condition", "code": {"coding": [coding]}, **members}


def labelled(*labels: str, kind: str = "Condition") -> dict[str, Any]:
    """A resource that carries labels."""
    security = [{"system": "http://x", "code": label} for label in labels]
    return {"resourceType": kind, "meta": {"security": security}}


def test_counts_of_the_2019_samples(bundles: dict[str, Bundle]) -> None:
    """Before labels, 11,619 resources fall where an independent count put them."""
    counts = Counter(ordinary_compartment(r.value) for b in bundles.values() for r in b.resources)
    expected = {
        LABS: 3_192,
        VITALS: 2_475,
        BILLING: 2_132,
        PROBLEMS: 1_148,
        VISITS: 967,
        IMMUNISATIONS: 747,
        NOTES: 506,
        MEDICINES: 198,
        IDENTITY: 61,
        IMAGING: 13,
        None: 180,
    }

    assert expected == counts


def test_sensitive_codes_of_the_2025_samples(bulk: dict[str, list[Resource]]) -> None:
    """Each record with a listed SNOMED CT code lies in its sensitive compartment."""
    expected = {
        ("763302001", SUBSTANCE): 48,
        ("713106006", SUBSTANCE): 40,
        ("10939881000119105", SUBSTANCE): 3,
        ("361055000", SUBSTANCE): 1,
        ("706893006", SEXUAL): 22,
        ("866148006", SEXUAL): 32,
    }
    codes = {code for code, _ in expected}
    found = Counter(
        (coding["code"], place(r.value).compartment)
        for resources in bulk.values()
        for r in resources
        if r.type in {"Condition", "Procedure"}
        for coding in r.value["code"]["coding"]
        if coding["code"] in codes
    )

    assert expected == found


def test_types_of_the_patient_compartment_have_a_place() -> None:
    """All 66 types of R4's Patient compartment are in the table, and no type twice."""
    with gzip.open(DATA / "hl7.fhir.r4.core-4.0.1.subset.ndjson.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines if '"CompartmentDefinition"' in line]
    (patient,) = [row for row in rows if row["id"] == "patient"]
    theirs = {part["code"] for part in patient["resource"] if part.get("param")}
    placed = [name for names in TYPES.values() for name in names]

    assert 66 == len(theirs)
    assert set() == theirs - set(placed)
    assert len(set(placed)) == len(placed)
    assert set() == set(placed) - definitions().resources.keys()


@pytest.mark.parametrize(
    "kind",
    [
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Location",
        "HealthcareService",
        "Endpoint",
        "ValueSet",
    ],
)
def test_directory_data_has_no_compartment(kind: str) -> None:
    """What is nobody's record lies under the house tag, whatever its labels."""
    assert None is place(labelled("HIV", kind=kind), part2=True).compartment


def test_categories_decide_before_the_type() -> None:
    """Each listed category leads to its compartment; an unknown one before it does not matter."""
    for kind, table in CATEGORIES.items():
        for compartment, codes in table.items():
            for code in codes:
                concepts = [{"text": "?"}, {"coding": [{"code": "other"}, {"code": code}]}]
                assert compartment == ordinary_compartment(
                    {"resourceType": kind, "category": concepts}
                )


PLAIN: dict[str, tuple[dict[str, Any], int]] = {
    "an observation without category": ({"resourceType": "Observation"}, LABS),
    "a report of another category": (
        {"resourceType": "DiagnosticReport", "category": [{"coding": [{"code": "HM"}]}]},
        LABS,
    ),
    "a consent": ({"resourceType": "Consent"}, DOCUMENTS),
    "a patient summary": (
        {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Composition",
                        "type": {"coding": [{"code": "60591-5"}]},
                    }
                }
            ],
        },
        EMERGENCY,
    ),
    "a bundle of something else": (
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Encounter", "type": [{"text": "x"}]}}],
        },
        DOCUMENTS,
    ),
    "an empty bundle": ({"resourceType": "Bundle"}, DOCUMENTS),
    "a sequence": ({"resourceType": "MolecularSequence"}, GENETIC),
}


@pytest.mark.parametrize(("resource", "compartment"), PLAIN.values(), ids=PLAIN.keys())
def test_ordinary_compartment(resource: dict[str, Any], compartment: int) -> None:
    """Without labels, type and category decide."""
    assert compartment == place(resource).compartment


LABELLED: dict[str, tuple[dict[str, Any], int, tuple[str, ...]]] = {
    "no label": (labelled(), PROBLEMS, ()),
    "a label that asks for nothing": (labelled("N", "HTEST"), PROBLEMS, ()),
    "very restricted alone": (labelled("V"), PROBLEMS, ("V",)),
    "mental health": (labelled("PSY"), MENTAL, ("PSY",)),
    "sexual before mental": (labelled("PSY", "HIV"), SEXUAL, ("HIV", "PSY")),
    "genetic before sexual": (labelled("HIV", "GDIS"), GENETIC, ("GDIS", "HIV")),
    "substance before all": (
        labelled("GDIS", "HIV", "PSY", "SUD"),
        SUBSTANCE,
        ("GDIS", "HIV", "PSY", "SUD"),
    ),
    "alcohol, by code": (coded(ICD10, "F10.20"), SUBSTANCE, ("ETH", "R")),
    "first and last of a range": (coded(ICD10, "F99"), MENTAL, ("PSY", "R")),
    "outside the range": (coded(ICD10, "F09"), PROBLEMS, ()),
    "without its dot, in small letters": (coded(ICD10, "f1020"), SUBSTANCE, ("ETH", "R")),
    "by OID": (coded("urn:oid:2.16.840.1.113883.6.90", "B20"), SEXUAL, ("HIV", "R")),
    "a longer listed code": (coded(ICD10, "Z87.890"), SEXUAL, ("GENDER", "R")),
    "its shorter neighbour": (coded(ICD10, "Z87.8"), PROBLEMS, ()),
    "a range with a letter inside": (coded(ICD10, "O9A.411"), SEXUAL, ("R", "SDV")),
    "two labels by one code": (coded(ICD10, "F64.0"), SEXUAL, ("GENDER", "PSY", "R")),
    "by SNOMED CT": (coded(SNOMED, "361055000"), SUBSTANCE, ("ETH", "R")),
    "the same code of another system": (coded("http://x", "361055000"), PROBLEMS, ()),
    "a reason tells as much": (
        {"resourceType": "MedicationRequest", "reasonCode": coded(ICD10, "F20.0")["code"]},
        MENTAL,
        ("PSY", "R"),
    ),
    "carried and asked for": (
        coded(ICD10, "Z21", meta={"security": [{"code": "ETH"}]}),
        SUBSTANCE,
        ("ETH", "HIV", "R"),
    ),
}


@pytest.mark.parametrize(
    ("resource", "compartment", "labels"), LABELLED.values(), ids=LABELLED.keys()
)
def test_the_strictest_label_decides(
    resource: dict[str, Any], compartment: int, labels: tuple[str, ...]
) -> None:
    """Labels only raise; all are kept, sorted."""
    placement = place(resource)

    assert (compartment, labels) == (placement.compartment, placement.labels)


def test_a_part_2_programme_labels_all_it_records() -> None:
    """Being its patient is itself the secret (42 CFR 2.11)."""
    patient = place({"resourceType": "Patient"}, part2=True)

    assert Placement(SUBSTANCE, ("42CFRPart2", "R"), None) == patient


def test_listed_codes_ask_for_known_labels() -> None:
    """A slip in labels.json would leave a record unprotected."""
    listed = Path(__file__).parents[4] / "src/salus/formats/fhir/definitions/labels.json"
    tables = json.loads(listed.read_bytes())
    asked = tables["icd10"].keys() | tables["snomed"].keys()

    assert set() == asked - LABELS
    for label, codes in tables["snomed"].items():
        for code in codes:
            assert label in labels_of(coded(SNOMED, code))


DAYS: dict[str, tuple[dict[str, Any], Day | None]] = {
    "a day": ({"date": "1900-01-02"}, Day(0, 1)),
    "a time is its written day": (
        {"effectiveDateTime": "2019-05-01T23:59:59-11:00"},
        Day(0, 43_584),
    ),
    "the last day": ({"date": "2079-06-06"}, Day(0, 65_535)),
    "a day too late": ({"date": "2079-06-07"}, None),
    "before all": ({"date": "1899-12-31"}, Day(0, 0)),
    "a month is the block of its first day": ({"date": "2019-05"}, Day(8, 43_584 >> 8)),
    "a year before all": ({"date": "1850"}, Day(8, 0)),
    "a year too late": ({"date": "2080"}, None),
    "none": ({}, None),
    "a period": ({"effectivePeriod": {"start": "1900-01-03"}}, Day(0, 2)),
    "a period without start": ({"performedPeriod": {"end": "1900-01-03"}}, None),
    "a timing": ({"occurrenceTiming": {"event": ["1900-01-04"]}}, Day(0, 3)),
    "a timing with a gap": (
        {"effectiveTiming": {"event": [None]}, "issued": "1900-01-02"},
        Day(0, 1),
    ),
    "an age is no date": ({"onsetAge": {"value": 3}, "recordedDate": "1900-01-02"}, Day(0, 1)),
    "the first of many": (
        {"created": "1900-01-09", "issued": "1900-01-03", "onsetDateTime": "1900-01-02"},
        Day(0, 1),
    ),
}


@pytest.mark.parametrize(("resource", "day"), DAYS.values(), ids=DAYS.keys())
def test_day(resource: dict[str, Any], day: Day | None) -> None:
    """The first date present, as written; in part by block; out of range as none."""
    assert day == day_of(resource)


PATIENTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "a patient": ({"resourceType": "Patient", "id": "1"}, "Patient/1"),
    "a new patient": ({"resourceType": "Patient"}, None),
    "the subject": (
        {"resourceType": "Observation", "subject": {"reference": "Patient/1"}},
        "Patient/1",
    ),
    "by URL and version": (
        {"resourceType": "Claim", "patient": {"reference": "http://x/fhir/Patient/1/_history/2"}},
        "http://x/fhir/Patient/1/_history/2",
    ),
    "by search": (
        {"resourceType": "Claim", "patient": {"reference": "Patient?identifier=a"}},
        "Patient?identifier=a",
    ),
    "by the name of an entry": (
        {"resourceType": "Claim", "patient": {"reference": "urn:uuid:1"}},
        "urn:uuid:1",
    ),
    "a group's": ({"resourceType": "Observation", "subject": {"reference": "Group/1"}}, None),
    "an entry that is no patient": (
        {"resourceType": "Flag", "subject": {"reference": "urn:uuid:1", "type": "Location"}},
        None,
    ),
    "an entry that may be anything": (
        {"resourceType": "Appointment", "participant": [{"actor": {"reference": "urn:uuid:1"}}]},
        None,
    ),
    "one participant of many": (
        {
            "resourceType": "Appointment",
            "participant": [
                {"actor": {"reference": "Practitioner/1"}},
                {"status": "accepted"},
                {"actor": {"reference": "Patient/2"}},
            ],
        },
        "Patient/2",
    ),
    "subject before performer": (
        {
            "resourceType": "Observation",
            "performer": [{"reference": "Patient/2"}],
            "subject": {"reference": "Patient/1"},
        },
        "Patient/1",
    ),
    "outside R4's compartment": (
        {"resourceType": "Task", "for": {"reference": "Patient/1"}},
        "Patient/1",
    ),
    "by identifier alone": (
        {"resourceType": "Claim", "patient": {"identifier": {"value": "1"}}},
        None,
    ),
    "directory data": ({"resourceType": "Organization"}, None),
}


@pytest.mark.parametrize(("resource", "reference"), PATIENTS.values(), ids=PATIENTS.keys())
def test_patient(resource: dict[str, Any], reference: str | None) -> None:
    """The patient a record is about, in whatever form the sender names them."""
    assert reference == patient_of(resource)


def test_every_sample_record_names_its_patient(
    bundles: dict[str, Bundle], bulk: dict[str, list[Resource]]
) -> None:
    """Of 18,779 resources, those without a patient are exactly the directory's."""
    every = [r for b in bundles.values() for r in b.resources]
    every += [r for resources in bulk.values() for r in resources]

    assert [] == [
        r.type
        for r in every
        if (patient_of(r.value) is None) != (ordinary_compartment(r.value) is None)
    ]
