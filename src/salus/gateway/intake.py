"""
From a document to committed, sealed records (`patient-control.md` §5.2; `interop.md` §5.3).

    read and check (formats.fhir) → whose, which compartment, which day → seal by batches
    → members store and answer with receipts → CommitBatch → final

A document is taken whole or not at all; one that is refused is kept in quarantine.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from salus.base.errors import Category, Problem
from salus.client.seal import Author, RecordToSeal, Sealed, TagToSeal, plan, seal_batch
from salus.client.wallet import CompartmentKeys
from salus.formats.fhir.bundle import Resource, read_bundle, read_ndjson, read_resource
from salus.formats.fhir.codec import BOM
from salus.formats.fhir.days import Day
from salus.formats.fhir.patients import patient_of
from salus.formats.fhir.placement import place
from salus.gateway.batches import Batches
from salus.gateway.desk import Desk
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.links import Links
from salus.gateway.office import Office
from salus.gateway.quarantine import Quarantine
from salus.sealed.days import Node, day_of, day_slot
from salus.sealed.record import Meta

DONE = "submission"
"""Kind of the desk's items that remember what was committed: SHA-256 of document -> count."""

BATCH_RECORDS = 2_000
"""Records gathered before a batch is sealed: about 4 MB, a second of work."""

Progress = Callable[[int], None]
"""Called with the records committed so far."""


class _Kind(msgspec.Struct):
    """The one member that tells what a JSON body is."""

    resourceType: str = ""  # noqa: N815 (FHIR's name)


_KIND = msgspec.json.Decoder(_Kind)


@dataclass(slots=True)
class ImportReport:
    """What became of the documents handed in."""

    documents: int = 0
    records: int = 0
    patients: int = 0
    unchanged: int = 0
    """Documents whose bytes were committed before; nothing was done."""

    batches: int = 0
    refused: list[tuple[str, Problem]] = field(default_factory=list)
    """(document's name, why); each is in quarantine."""


@dataclass(slots=True)
class _Placed:
    """A document's records, ready to seal."""

    name: str
    digest: bytes
    records: list[RecordToSeal]
    keys: dict[bytes, CompartmentKeys]
    """By tag."""


class Intake:
    """Takes documents in."""

    def __init__(
        self, office: Office, desk: Desk, keyring: Keyring, batches: Batches, quarantine: Quarantine
    ) -> None:
        """All of one gateway."""
        self._office = office
        self._desk = desk
        self._keyring = keyring
        self._batches = batches
        self._quarantine = quarantine
        self._links = Links(office)

    def take(
        self, documents: Iterable[tuple[str, bytes]], progress: Progress | None = None
    ) -> ImportReport:
        """
        Import documents: FHIR R4 bundles, single resources, NDJSON.

        `documents`: (name, bytes). A refused document is reported and kept in quarantine; the
        others go on. Raises Problem QuorumMissing when too few members can store.
        """
        report = ImportReport()
        people: set[bytes] = set()
        waiting: list[_Placed] = []
        for name, data in documents:
            placed = self._place_or_refuse(name, data, report, people)
            if placed is None:
                continue
            waiting.append(placed)
            if sum(len(one.records) for one in waiting) >= BATCH_RECORDS:
                self._commit(waiting, report, progress)
                waiting = []
        self._commit(waiting, report, progress)
        report.patients = len(people)
        return report

    def _place_or_refuse(
        self, name: str, data: bytes, report: ImportReport, people: set[bytes]
    ) -> _Placed | None:
        report.documents += 1
        digest = sha256(data).digest()
        if self._desk.get(DONE, self._desk.name(DONE, digest)) is not None:
            report.unchanged += 1
            return None
        try:
            return self._place(name, digest, _read(name, data), people)
        except Problem as problem:
            self._quarantine.keep(name, data, problem)
            report.refused.append((name, problem))
            return None

    def _place(
        self, name: str, digest: bytes, resources: Sequence[Resource], people: set[bytes]
    ) -> _Placed:
        placed = _Placed(name, digest, [], {})
        owners = self._owners(resources)
        today = _today(self._office.now_ms())
        for at, resource in enumerate(resources):
            where = place(resource.value)
            keys, handle = self._keys_of(resource, where.compartment, owners)
            if handle is not None:
                people.add(handle)
            slot = _slot(where.day, today)
            record = RecordToSeal(
                tag=keys.tag,
                slot=slot,
                record=self._desk.name("record", digest + at.to_bytes(4, "big"))[:16],
                version=1,
                meta=Meta(
                    type=resource.type,
                    id=resource.id or f"{digest[:8].hex()}-{at}",
                    labels=list(where.labels),
                    day=slot.index << slot.level,
                ),
                body=resource.raw,
            )
            placed.records.append(record)
            placed.keys[keys.tag] = keys
        return placed

    def _owners(self, resources: Sequence[Resource]) -> dict[str, Patient]:
        """Everybody this document speaks of, by the references that name them."""
        owners: dict[str, Patient] = {}
        for resource in resources:
            if resource.type != "Patient" or resource.id is None:
                continue
            patient = self._keyring.enrol(f"Patient/{resource.id}", _name_of(resource.value))
            owners[f"Patient/{resource.id}"] = patient
            if resource.full_url is not None:
                owners[resource.full_url] = patient
        return owners

    def _keys_of(
        self, resource: Resource, compartment: int | None, owners: dict[str, Patient]
    ) -> tuple[CompartmentKeys, bytes | None]:
        """The tag a resource is sealed under, and whose it is: a patient's, or the house's."""
        if compartment is None:
            return self._keyring.house, None
        reference = patient_of(resource.value)
        if reference is None:
            return self._keyring.house, None
        owner = owners.get(reference) or self._keyring.by_source(reference)
        if owner is None:
            raise Problem(
                Category.NOT_FOUND,
                "PatientUnknown",
                f"{resource.type}: its patient is neither in this document nor known here; send "
                "the Patient resource first, or in the same bundle",
            )
        return owner.wallet.compartment(compartment), owner.handle

    def _commit(
        self, waiting: Sequence[_Placed], report: ImportReport, progress: Progress | None
    ) -> None:
        """Seal and commit whole documents by one transaction, then remember them."""
        records = [record for placed in waiting for record in placed.records]
        if not records:
            return
        keys = {tag: key for placed in waiting for tag, key in placed.keys.items()}
        parts = plan(records)
        self._batches.commit(lambda: [self._seal(part, keys) for part in parts])
        self._desk.put_all(
            (DONE, self._desk.name(DONE, placed.digest), len(placed.records).to_bytes(4, "big"))
            for placed in waiting
        )
        report.batches += len(parts)
        report.records += len(records)
        if progress is not None:
            progress(report.records)

    def _seal(self, records: Sequence[RecordToSeal], keys: dict[bytes, CompartmentKeys]) -> Sealed:
        slots: dict[bytes, set[Node]] = {}
        for record in records:
            slots.setdefault(record.tag, set()).add(record.slot)
        tags = {tag: self._tag_to_seal(keys[tag], nodes) for tag, nodes in slots.items()}
        secrets = self._office.keys
        return seal_batch(
            records,
            chain=self._office.network,
            author=Author(
                member=self._office.member,
                service=secrets.service,
                retention_key=secrets.retention,
                retention_version=0,
            ),
            seats=self._batches.seats(),
            tags=tags,
        )

    def _tag_to_seal(self, keys: CompartmentKeys, slots: Iterable[Node]) -> TagToSeal:
        """A tag in custody: its slot keys are derived here, no sheet is needed."""
        row = self._office.tag(keys.tag)
        if row is None:
            raise Problem(Category.NOT_FOUND, "TagUnknown", "the tag is not registered; try again")
        link = self._links.own(keys, row.era)
        return TagToSeal(
            generation=row.generation,
            owner_key=keys.owner(row.generation).public,
            slot_keys={slot: keys.slot_key(row.generation, slot).bare for slot in slots},
            link=link.data,
            link_signature=link.signature,
        )


def _read(name: str, data: bytes) -> Sequence[Resource]:
    """Resources of NDJSON (by the document's name), of a bundle, or of one resource."""
    if name.endswith(".ndjson"):
        return read_ndjson(data)
    if _is_bundle(data):
        return read_bundle(data).resources
    return [read_resource(data)]


def _is_bundle(data: bytes) -> bool:
    try:
        return _KIND.decode(data.removeprefix(BOM)).resourceType == "Bundle"
    except msgspec.DecodeError:
        return False


def _slot(day: Day | None, today: int) -> Node:
    """The day's slot; a record without a day takes that of its intake."""
    return day_slot(today) if day is None else Node(day.level, day.index)


def _today(now_ms: int) -> int:
    return day_of(dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date())


def _name_of(patient: dict[str, Any]) -> str:
    """A person's name for the member's own staff; empty if none is given."""
    name: dict[str, Any] = next(iter(patient.get("name", [])), {})
    return " ".join([*name.get("given", []), name.get("family", "")]).strip() or name.get(
        "text", ""
    )
