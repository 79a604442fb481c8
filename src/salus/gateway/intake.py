"""
From a document to committed, sealed records (`patient-control.md` §5.2; `interop.md` §5.3).

    read and check (formats.fhir) → whose, which compartment, which day → seal by batches
    → members store and answer with receipts → CommitBatch → final

While the ledger decides on one step's batches, the next step is read, sealed and stored. A document
is taken whole or not at all; one that is refused is kept in quarantine.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from hashlib import sha256

from salus.base.errors import Category, Problem
from salus.client.seal import RecordToSeal, plan
from salus.client.wallet import CompartmentKeys
from salus.formats.fhir.days import Day
from salus.formats.fhir.placement import Placement, place
from salus.gateway.batches import Batches
from salus.gateway.desk import Desk
from salus.gateway.documents import read_document
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.office import Office
from salus.gateway.owners import Owners
from salus.gateway.quarantine import Quarantine
from salus.gateway.sealer import Sealer
from salus.node.mempool import Done
from salus.sealed.days import Node, day_of, day_slot
from salus.sealed.record import Meta

DONE = "submission"
"""Kind of the desk's items that remember what was committed: SHA-256 of document -> count."""

GATHERED_RECORDS = 2_000
GATHERED_BYTES = 16 * 1024 * 1024
"""What is gathered before it is sealed and committed: a second of work."""

ITS_OWN_FAULT = (
    Category.MALFORMED,
    Category.INVALID,
    Category.TOO_LARGE,
    Category.NOT_FOUND,
    Category.GONE,
    Category.UNSUPPORTED,
)
"""Refusals that lie in the document: it goes to quarantine. All others end the import."""

Progress = Callable[[int], None]
"""Called with the records committed so far."""


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


@dataclass(frozen=True, slots=True)
class _Placed:
    """A document's records, ready to seal."""

    name: str
    data: bytes
    digest: bytes
    records: list[RecordToSeal]
    keys: dict[bytes, CompartmentKeys]
    """By tag."""

    people: set[bytes]
    """Handles of whom it speaks."""


class Intake:
    """Takes documents in, one import at a time."""

    def __init__(
        self, office: Office, desk: Desk, keyring: Keyring, batches: Batches, quarantine: Quarantine
    ) -> None:
        """All of one gateway."""
        self._office = office
        self._desk = desk
        self._keyring = keyring
        self._batches = batches
        self._quarantine = quarantine
        self._sealer = Sealer(office)
        # Two imports of one document at once would each find it new.
        self._importing = threading.Lock()

    def take(
        self, documents: Iterable[tuple[str, bytes]], progress: Progress | None = None
    ) -> ImportReport:
        """
        Import documents: FHIR R4 bundles, single resources, NDJSON.

        `documents`: (name, bytes). A refused document is reported and kept in quarantine; the
        others go on. Raises Problem QuorumMissing when too few members can store, and what else
        lies in no document; what was committed before stays, and the same documents can be sent
        again: none is written twice.
        """
        with self._importing:
            self._batches.settle()
            step = _Step(ImportReport(), progress or (lambda _: None))
            try:
                for name, data in documents:
                    self._gather(name, data, step)
                    if step.is_full:
                        self._commit(step.waiting, step)
                        step.waiting = []
                self._commit(step.waiting, step)
                self._end(step)
            finally:
                step.rest()
        step.report.patients = len(step.people)
        return step.report

    def _gather(self, name: str, data: bytes, step: "_Step") -> None:
        """Put a document's records among those that wait; or count, or refuse it."""
        step.report.documents += 1
        digest = sha256(data).digest()
        is_done = self._desk.get(DONE, self._desk.name(DONE, digest)) is not None
        if is_done or digest in step.placed:
            step.report.unchanged += 1
            return
        try:
            step.waiting.append(self._place(name, data, digest))
        except Problem as problem:
            self._refuse(name, data, problem, step)
        else:
            step.placed.add(digest)

    def _refuse(self, name: str, data: bytes, problem: Problem, step: "_Step") -> None:
        """Keep and report a refused document; raises the problem if it is not the document's."""
        if problem.category not in ITS_OWN_FAULT:
            raise problem
        try:
            self._quarantine.keep(name, data, problem)
        except Problem as full:
            problem = full
        step.report.refused.append((name, problem))

    def _place(self, name: str, data: bytes, digest: bytes) -> _Placed:
        """Find tag and slot of every resource; people are taken in when all have a place."""
        resources = read_document(name, data)
        owners = Owners(self._keyring, resources)
        placements = [place(resource.value) for resource in resources]
        names = [
            None if where.compartment is None else owners.of(resource)
            for resource, where in zip(resources, placements, strict=True)
        ]
        patients = {name: owners.enrol(name) for name in sorted({name for name in names if name})}
        placed = _Placed(name, data, digest, [], {}, {one.handle for one in patients.values()})
        today = _today(self._office.now_ms())
        for at, (resource, where, owner) in enumerate(
            zip(resources, placements, names, strict=True)
        ):
            keys = self._keys(where, None if owner is None else patients[owner])
            slot = _slot(where.day, today)
            placed.keys[keys.tag] = keys
            placed.records.append(
                RecordToSeal(
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
            )
        return placed

    def _keys(self, where: Placement, owner: Patient | None) -> CompartmentKeys:
        """The tag a record is sealed under: a patient's, the directory's, or of nobody's own."""
        if where.compartment is None:
            return self._keyring.house
        if owner is None:
            return self._keyring.unplaced
        return owner.wallet.compartment(where.compartment)

    def _commit(self, waiting: Sequence[_Placed], step: "_Step") -> None:
        """Commit whole documents by one transaction, beside; the one before has ended then."""
        if not any(placed.records for placed in waiting):
            return
        try:
            begun = self._begin(waiting)
        except Problem as problem:
            self._split(waiting, problem, step)
            return
        before, step.under_way = step.under_way, begun
        self._await(before, step)

    def _begin(self, waiting: Sequence[_Placed]) -> "_UnderWay":
        """Seal and store; the documents are remembered with the commit."""
        keys = {tag: key for placed in waiting for tag, key in placed.keys.items()}
        parts = plan([record for placed in waiting for record in placed.records])
        done = [
            (DONE, self._desk.name(DONE, placed.digest), len(placed.records).to_bytes(4, "big"))
            for placed in waiting
        ]
        end = self._batches.commit(
            lambda seats: [self._sealer.seal(part, keys, seats) for part in parts], done
        )
        return _UnderWay(waiting, len(parts), end)

    def _end(self, step: "_Step") -> None:
        """Wait for all that is under way: what is split is begun anew."""
        while step.under_way is not None:
            before, step.under_way = step.under_way, None
            self._await(before, step)

    def _await(self, begun: "_UnderWay | None", step: "_Step") -> None:
        if begun is None:
            return
        try:
            begun.end.result()
        except Problem as problem:
            self._split(begun.documents, problem, step)
        else:
            step.count(begun)

    def _split(self, documents: Sequence[_Placed], problem: Problem, step: "_Step") -> None:
        """
        Halve what is refused for its contents until the guilty document stands alone.

        Raises the problem if it is not the documents' (corrections 14).
        """
        if not _is_theirs(problem):
            raise problem
        if len(documents) == 1:
            self._refuse(documents[0].name, documents[0].data, problem, step)
            return
        half = len(documents) // 2
        self._commit(documents[:half], step)
        self._commit(documents[half:], step)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Documents that are stored and on their way to the ledger."""

    documents: Sequence[_Placed]
    batches: int
    end: Future[Done]


@dataclass(slots=True)
class _Step:
    """What one import has under way."""

    report: ImportReport
    progress: Progress
    waiting: list[_Placed] = field(default_factory=list)
    placed: set[bytes] = field(default_factory=set)
    """Digests of all that was found in order here."""

    under_way: _UnderWay | None = None
    people: set[bytes] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        """Whether enough is gathered for a commit."""
        records = [record for placed in self.waiting for record in placed.records]
        return (
            len(records) >= GATHERED_RECORDS
            or sum(len(record.body) for record in records) >= GATHERED_BYTES
        )

    def count(self, begun: _UnderWay) -> None:
        """Note what is final, and tell."""
        for placed in begun.documents:
            self.people |= placed.people
            self.report.records += len(placed.records)
        self.report.batches += begun.batches
        self.progress(self.report.records)

    def rest(self) -> None:
        """Leave nothing under way, whatever became of it: no import ends before its last commit."""
        if self.under_way is not None:
            wait([self.under_way.end])


def _is_theirs(problem: Problem) -> bool:
    """Whether a commit was refused for what is in the documents: never by the ledger's numbers."""
    code = str(problem.facts.get("code", "V"))
    return problem.category in ITS_OWN_FAULT and code.startswith("V")


def _slot(day: Day | None, today: int) -> Node:
    """The day's slot; a record without a day takes that of its intake."""
    return day_slot(today) if day is None else Node(day.level, day.index)


def _today(now_ms: int) -> int:
    return day_of(dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date())
