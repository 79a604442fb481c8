"""A member's people through the web door: import, grant, open, who saw, revoke, quarantine."""

import gzip
import json
from typing import Any

import msgspec
import pytest

from tests.unit.doors.world import World, sample_bundle, unpacked

NONSENSE = ("nonsense.json", b'{"resourceType":"Nonsense","note":"Jane Doe"}')


class Record(msgspec.Struct):
    """A chart's record, its resource left as bytes."""

    type: str
    resource: msgspec.Raw


class Chart(msgspec.Struct):
    """A chart as a careful reader decodes it."""

    records: list[Record]


@pytest.fixture(scope="module")
def patient(world: World) -> str:
    """A sample patient, brought in at North."""
    report = world.operate("POST", "/import/fhir", files=[_file(sample_bundle())]).json()
    assert (1, []) == (report["documents"], report["refused"])
    world.operate("POST", "/practitioners", "south", json={"name": "Dr A. Ivers"})
    people = world.operate("GET", "/patients").json()["patients"]
    handle: str = people[0]["handle"]
    return handle


@pytest.mark.parametrize("token", [None, "Bearer ", "Bearer wrong", "Basic eDp5"])
def test_operator_routes_ask_for_the_token(world: World, token: str | None) -> None:
    """Another member's token does not open them either."""
    headers = {} if token is None else {"Authorization": token}
    answer = world.client.get("/north/gateway/v1/patients", headers=headers)

    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    other = world.client.get("/north/gateway/v1/patients", headers=world.token("south"))
    assert 401 == other.status_code


def test_a_grant_opens_exact_bytes_until_it_is_revoked(world: World, patient: str) -> None:
    """The whole way by HTTP: granted, opened byte for byte, seen by whom, stopped."""
    grant = _grant(world, patient)
    opened = world.operate("GET", f"/charts/{grant}", "south")
    records = msgspec.json.decode(opened.content, type=Chart).records

    sent = unpacked(sample_bundle())
    assert records
    assert all(bytes(one.resource) in sent for one in records)
    assert "no-store" == opened.headers["cache-control"]

    seen = world.operate("GET", f"/who-saw/{patient}").json()
    assert (True, "South Hospital", "TREAT") == (
        seen["complete"],
        seen["lines"][0]["member_name"],
        seen["lines"][0]["purpose"],
    )
    assert {"labs", "vitals"} >= set(seen["lines"][0]["compartments"])

    assert 200 == world.operate("DELETE", f"/grants/{grant}").status_code
    refused = world.operate("GET", f"/charts/{grant}", "south")
    assert (403, "GrantRevoked") == (refused.status_code, refused.json()["code"])


def test_grants_are_listed_on_both_sides(world: World, patient: str) -> None:
    """The giver sees the state, the reader what it may use."""
    grant = _grant(world, patient)

    given = world.operate("GET", "/grants").json()["given"]
    received = world.operate("GET", "/grants", "south").json()["received"]
    assert "active" in [one["state"] for one in given if one["grant"] == grant]
    assert grant in [one["grant"] for one in received]


def test_no_answer_holds_a_secret(world: World, patient: str) -> None:
    """Roots, seeds and keys stay inside the gateway."""
    _grant(world, patient)
    texts = [
        world.operate("GET", path).text
        for path in ("/patients", "/practitioners", "/grants", f"/who-saw/{patient}", "/quarantine")
    ]
    roots = [one.root.hex() for one in world.north.gateway.patients()]

    assert roots
    assert not [root for root in roots for text in texts if root in text]
    assert not [word for word in ("root", "seed") for text in texts if f'"{word}"' in text]


def test_the_same_document_again_changes_nothing(world: World, patient: str) -> None:
    """A sender may resend without doubling records."""
    assert patient
    report = world.operate("POST", "/import/fhir", files=[_file(sample_bundle())]).json()

    assert (1, 0) == (report["unchanged"], report["records"])


def test_a_refused_document_waits_in_quarantine(world: World) -> None:
    """It is told without its content, kept whole, and can be tried again."""
    report = world.operate("POST", "/import/fhir", files=[_file(NONSENSE)])
    kept = world.operate("GET", "/quarantine").json()["documents"]

    assert "Jane" not in report.text
    assert [NONSENSE[0]] == [one["document"] for one in report.json()["refused"]]
    assert NONSENSE[0] in [one["name"] for one in kept]
    again = world.operate("POST", f"/quarantine/{kept[0]['id']}/replay")
    assert again.status_code < 500
    assert 404 == world.operate("POST", f"/quarantine/{'00' * 8}/replay").status_code


GRANT: dict[str, Any] = {"to": "south", "compartments": ["labs"], "for_hours": 1}
SLIPS = {
    "an unknown patient": (GRANT | {"patient": "nobody"}, 404, "PatientUnknown"),
    "an unknown member": (GRANT | {"to": "nowhere"}, 404, "MemberUnknown"),
    "a name that several bear": (GRANT | {"to": ""}, 404, "MemberUnknown"),
    "an unknown compartment": (GRANT | {"compartments": ["secrets"]}, 422, "CompartmentUnknown"),
    "no compartment": (GRANT | {"compartments": []}, 422, "NothingGranted"),
    "no time": (GRANT | {"for_hours": 0}, 422, "HoursWrong"),
    "a day that is none": (GRANT | {"days": {"first": "2026-13-01"}}, 400, "RequestMalformed"),
    "a field nobody knows": (GRANT | {"power": 1}, 400, "RequestMalformed"),
    "a person of another width": (GRANT | {"practitioner": "00"}, 400, "ParameterMalformed"),
}


@pytest.mark.parametrize(("body", "status", "code"), SLIPS.values(), ids=SLIPS.keys())
def test_slips_in_a_grant_are_told(
    world: World, patient: str, body: dict[str, Any], status: int, code: str
) -> None:
    """What was typed is never repeated."""
    answer = world.operate("POST", "/grants", json={"patient": patient} | body)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "secrets" not in answer.text


def test_a_body_that_is_no_json_is_told(world: World) -> None:
    """Without repeating it."""
    answer = world.operate("POST", "/grants", content=b'{"patient": Jane}')

    assert (400, "RequestMalformed") == (answer.status_code, answer.json()["code"])
    assert "Jane" not in answer.text


def _grant(world: World, patient: str) -> str:
    body = GRANT | {"patient": patient, "compartments": ["labs", "vitals"]}
    answer = world.operate("POST", "/grants", json=body)
    assert 201 == answer.status_code, answer.text
    grant: str = answer.json()["grant"]
    return grant


def _file(document: tuple[str, bytes]) -> tuple[str, tuple[str, bytes]]:
    return ("documents", document)


def test_json_and_gzip_are_both_taken(world: World) -> None:
    """A packed document is the same document: its digest is that of its own bytes."""
    name, data = NONSENSE[0] + ".gz", gzip.compress(json.dumps({"resourceType": "Odd"}).encode())
    report = world.operate("POST", "/import/fhir", files=[_file((name, data))]).json()

    assert [NONSENSE[0]] == [one["document"] for one in report["refused"]]
