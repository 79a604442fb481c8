"""
A member's operator routes: its people's way to the gateway, by bearer token.

They give out what the organisation may see; keys and roots never leave. Answers are not to be kept
by caches.
"""

from typing import Annotated, Any

import msgspec
from anyio import CapacityLimiter, to_thread
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, SkipValidation

from salus.base import codec
from salus.client.wallet import Compartment
from salus.doors.http.answers import PRIVATE, Reply, answer
from salus.doors.http.asked import GrantBody, grant_asked, patient_handle
from salus.doors.http.member import Door
from salus.doors.http.plain import from_hex, plain
from salus.doors.http.uploads import FORM_BYTES_MAX, read_form
from salus.doors.http.vault import VAULT_ROUTES
from salus.gateway.charts import Chart, ChartRecord
from salus.gateway.gateway import Gateway
from salus.gateway.grants import Given
from salus.gateway.intake import ImportReport
from salus.gateway.packages import Received
from salus.gateway.staff import Person
from salus.gateway.who_saw import Disclosures, Line
from salus.modules.members import queries as members
from salus.sealed.days import date_of
from salus.sealed.grants import Terms

ByGateway = SkipValidation[NamedDependency[Gateway]]
"""The member's gateway, given by the router."""

PatientName = Annotated[str, PathParameter(description="Handle, or the record system's id.")]

IMPORTS = CapacityLimiter(2)
"""Imports at once in this process: each holds its documents in memory and a core."""


class PersonBody(msgspec.Struct, forbid_unknown_fields=True):
    """A practitioner to register."""

    name: str
    role: int = 1
    """Role number; 1 physician, 2 nurse, 3 pharmacist."""


@post("/import/fhir", status_code=200, request_max_body_size=FORM_BYTES_MAX)
async def import_fhir(gateway: ByGateway, request: Request[Any, Any, Any]) -> Reply:
    """
    Take in FHIR R4 documents: bundles, single resources, NDJSON; each may be gzipped.

    A form of files (multipart/form-data), at most 128 MiB. A refused document is told with its
    reason and kept in quarantine; the others are sealed and committed before the answer.
    """
    kind = request.headers.get("content-type", "")
    documents = read_form(await request.body(), kind)
    report = await to_thread.run_sync(gateway.import_fhir, documents, limiter=IMPORTS)
    return _private(_report(report))


@get("/patients", sync_to_thread=True)
def patients(gateway: ByGateway) -> Reply:
    """List the patients whose keys this member holds for them: handle, name, source id."""
    people = [
        {"handle": one.handle.hex(), "name": one.name, "source": one.source}
        for one in gateway.patients()
    ]
    return _private({"patients": people})


@get("/practitioners", sync_to_thread=True)
def practitioners(gateway: ByGateway) -> Reply:
    """List the practitioners registered here: a chart is opened in one person's name."""
    return _private({"practitioners": [_person(one) for one in gateway.staff.all()]})


@post("/practitioners", sync_to_thread=True)
def register(gateway: ByGateway, data: JSONBody[PersonBody]) -> Reply:
    """Register a practitioner on the ledger, vouched for by two issuers; a known one is kept."""
    return _private(_person(gateway.staff.register(data.name, data.role)), status=201)


@post("/grants", sync_to_thread=True)
def give(door: Door, gateway: ByGateway, data: JSONBody[GrantBody]) -> Reply:
    """
    Give a grant for a patient in custody; it is effective when this answers.

    `compartments` are names as labs, medicines, vitals; `to` is a member's id or name.
    """
    given = gateway.grant(grant_asked(door, gateway, data))
    return _private(_given(door, given, "active"), status=201)


@get("/grants", sync_to_thread=True)
def grants(door: Door, gateway: ByGateway) -> Reply:
    """List the grants given here, each with its state now, and those this member received."""
    return _private(
        {
            "given": [_given(door, given, state) for given, state in gateway.grants()],
            "received": [_received(one) for one in gateway.received()],
        }
    )


@delete("/grants/{grant:str}", status_code=200, sync_to_thread=True)
def revoke(gateway: ByGateway, grant: FromPath[str]) -> Reply:
    """End a grant now: from the answered block on no witness gives a share."""
    done = gateway.revoke(from_hex(grant, 16, "grant"))
    return _private({"grant": grant, "transaction": done.id.hex(), "height": done.height})


@get("/charts/{grant:str}", sync_to_thread=True)
def chart(
    gateway: ByGateway,
    grant: FromPath[str],
    purpose: FromQuery[str] = "TREAT",
    practitioner: FromQuery[str | None] = None,
) -> Reply:
    """
    Open everything a grant covers, for one person and purpose; the access is logged first.

    Each record's `resource` is the sender's exact bytes, embedded as they are: read it raw to
    compare. `hidden` counts what the grant's finer rules or its days forbid to show.
    """
    person = None if practitioner is None else from_hex(practitioner, 16, "practitioner")
    opened = gateway.open_chart(from_hex(grant, 16, "grant"), purpose, person)
    return _private(_chart(opened))


@get("/who-saw/{patient:str}", sync_to_thread=True)
def who_saw(door: Door, gateway: ByGateway, patient: PatientName) -> Reply:
    """
    List everybody who opened records of a patient, as the witnesses logged it.

    `complete` is false if so few witnesses answered that a line may be missing.
    """
    return _private(_disclosures(door, gateway.who_saw(patient_handle(gateway, patient))))


@get("/quarantine", sync_to_thread=True)
def quarantine(gateway: ByGateway) -> Reply:
    """List the documents that were refused, and why; each is kept whole."""
    return _private({"documents": [plain(one) for one in gateway.quarantine()]})


@post("/quarantine/{place:str}/replay", status_code=200, sync_to_thread=True)
def replay(gateway: ByGateway, place: FromPath[str]) -> Reply:
    """Try a refused document again; it leaves quarantine if it is taken in."""
    return _private(_report(gateway.replay(from_hex(place, 8, "quarantine id"))))


GATEWAY_ROUTES = (
    import_fhir, patients, practitioners, register, give, grants, revoke, chart, who_saw,
    quarantine, replay, *VAULT_ROUTES,
)  # fmt: skip


def _private(value: Any, *, status: int = 200) -> Reply:
    return answer(value, status=status, headers=PRIVATE)


def _report(report: ImportReport) -> dict[str, Any]:
    return {
        "documents": report.documents,
        "records": report.records,
        "patients": report.patients,
        "unchanged": report.unchanged,
        "batches": report.batches,
        "refused": [
            {"document": name, "code": problem.name, "detail": problem.text}
            for name, problem in report.refused
        ],
    }


def _person(person: Person) -> dict[str, Any]:
    return {"id": person.id.hex(), "name": person.name, "role": person.role}


def _given(door: Door, given: Given, state: str) -> dict[str, Any]:
    return {
        "grant": given.grant.hex(),
        "patient": given.patient.hex(),
        "to": given.to.hex(),
        "to_name": _name(door, given.to),
        "state": state,
        **_terms(codec.decode(given.terms, Terms)),
    }


def _received(one: Received) -> dict[str, Any]:
    return {"grant": one.grant.hex(), **_terms(one.terms)}


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "from_ms": terms.from_ms,
        "until_ms": terms.until_ms,
        "purposes": terms.purposes,
        "practitioners": [one.hex() for one in terms.practitioners],
        "tags": len(terms.items),
    }


def _chart(opened: Chart) -> dict[str, Any]:
    return {
        "grant": opened.grant.hex(),
        "complete": opened.complete,
        "hidden": opened.hidden,
        "unopened": [
            {"batch": one.batch.hex(), "group": one.group, "why": one.why.name}
            for one in opened.unopened
        ],
        "silent": [one.hex() for one in opened.silent],
        "blamed": sorted(opened.blamed),
        "records": [_record(one) for one in opened.records],
    }


def _record(record: ChartRecord) -> dict[str, Any]:
    return {
        "type": record.type,
        "id": record.id,
        "day": date_of(record.day).isoformat(),
        "labels": list(record.labels),
        "author": record.author.hex(),
        "batch": record.batch.hex(),
        "resource": msgspec.Raw(record.body),
    }


def _disclosures(door: Door, found: Disclosures) -> dict[str, Any]:
    return {
        "complete": found.complete,
        "answered": found.answered,
        "seats": found.seats,
        "silent": {member.hex(): why.name for member, why in sorted(found.silent.items())},
        "lines": [_line(door, one) for one in found.lines],
    }


def _line(door: Door, line: Line) -> dict[str, Any]:
    return {
        "time_ms": line.time_ms,
        "member": line.member.hex(),
        "member_name": _name(door, line.member),
        "practitioner": None if line.practitioner is None else line.practitioner.hex(),
        "purpose": line.purpose,
        "grant": line.grant.hex(),
        "compartments": [Compartment(one).name.lower() for one in sorted(line.compartments)],
        "groups": len(line.groups),
        "witnesses": sorted(one.hex() for one in line.witnesses),
    }


def _name(door: Door, member: bytes) -> str:
    row = members.member(door.node.ledger.view(), member)
    return "" if row is None else row.name
