"""
Patients in the member's custody: their roots, found again by the record systems' own ids.

A root is on disk before its tags are on the ledger. Tags are registered 256 at once: sixteen roots,
real ones among roots kept for future patients, so that one person's tags never stand together.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.types import Hash32, Id16
from salus.client.wallet import Compartment, CompartmentKeys, Wallet
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.modules.consent.messages import RegisterTags
from salus.sealed.acts import register_tag

POOL_ROOTS = 16
"""Roots registered at once: 16 roots × 16 compartments = 256 tags."""

POOL_LOW = 8
"""With so few left the next are registered, so that nobody waits for it."""

PATIENT = "patient"
POOL = "pool"
BY_SOURCE = "patient-by-source"
BY_TAG = "patient-by-tag"
"""Kinds of items on the desk."""

DIRECTORY = Compartment.DOCUMENTS
"""The compartment of the member's own root that holds directory data."""

UNPLACED = Compartment.IDENTITY
"""That of clinical records which are nobody's alone; they stand in no grant."""


class Patient(Struct, frozen=True):
    """One person, as the gateway knows them."""

    handle: Id16
    """Random; names the person inside this gateway, on command lines and in answers."""

    name: str
    """For the member's own staff; empty if unknown."""

    root: Hash32
    """The wallet's root, in this member's custody."""

    source: str
    """The person's id in the record system, as written in references."""

    @property
    def wallet(self) -> Wallet:
        """The person's keys."""
        return Wallet(self.root)


class Keyring:
    """The member's patients and its own house wallet; thread-safe."""

    def __init__(self, desk: Desk, office: Office, house_root: bytes) -> None:
        """`house_root`: root of the member's own tags, 32 B."""
        self._desk = desk
        self._office = office
        self._house = Wallet(house_root)
        # One root goes to one person, also when two imports ask at the same moment.
        self._taking = threading.Lock()
        self._filling: Future[None] | None = None

    def __iter__(self) -> Iterator[Patient]:
        """All patients, by handle."""
        for _, value in self._desk.all(PATIENT):
            yield codec.decode(value, Patient)

    @property
    def house(self) -> CompartmentKeys:
        """The keys of the directory's tag, registered on first use."""
        return self._own_tag(DIRECTORY)

    @property
    def unplaced(self) -> CompartmentKeys:
        """The keys of the tag for what is nobody's alone, registered on first use."""
        return self._own_tag(UNPLACED)

    def patient(self, handle: bytes) -> Patient | None:
        """The patient of a handle, or None."""
        value = self._desk.get(PATIENT, handle)
        return None if value is None else codec.decode(value, Patient)

    def by_source(self, source: str) -> Patient | None:
        """The patient whom the record system calls so, or None."""
        handle = self._desk.get(BY_SOURCE, self._desk.name(BY_SOURCE, source.encode()))
        return None if handle is None else self.patient(handle)

    def by_tag(self, tag: bytes) -> tuple[Patient, int] | None:
        """Whose tag it is, and of which compartment; None if nobody's here."""
        value = self._desk.get(BY_TAG, self._desk.name(BY_TAG, tag))
        patient = None if value is None else self.patient(value[:16])
        return None if patient is None or value is None else (patient, value[16])

    def one_of(self, sources: Sequence[str]) -> Patient | None:
        """The one patient these names stand for, None if new; raises Problem PatientAmbiguous."""
        known = {one.handle: one for one in map(self.by_source, sources) if one is not None}
        if len(known) > 1:
            raise Problem(
                Category.INVALID,
                "PatientAmbiguous",
                "the Patient's id and fullUrl are those of two people known here; correct the "
                "one that is wrong",
            )
        return next(iter(known.values()), None)

    def enrol(self, sources: Sequence[str], name: str) -> Patient:
        """
        The patient of these names, the first foremost, taken in with a root from the pool if new.

        Raises Problem PatientAmbiguous, or what the ledger refused.
        """
        with self._taking:
            known = self.one_of(sources)
            if known is None:
                return self._take_in(sources, name)
            new = [source for source in sources if self.by_source(source) is None]
            if new:
                self._desk.change(self._names(new, known))
            return known

    def _take_in(self, sources: Sequence[str], name: str) -> Patient:
        pool_key, root = self._pooled()
        patient = Patient(handle=os.urandom(16), name=name, root=root, source=sources[0])
        tags = [
            (
                BY_TAG,
                self._desk.name(BY_TAG, patient.wallet.compartment(number).tag),
                patient.handle + bytes([number]),
            )
            for number in Compartment
        ]
        self._desk.change(
            [
                (PATIENT, patient.handle, codec.encode(patient)),
                *self._names(sources, patient),
                *tags,
            ],
            # In the same step: a root that stayed in the pool would serve a second person.
            deletes=[(POOL, pool_key)],
        )
        return patient

    def _names(self, sources: Sequence[str], patient: Patient) -> list[tuple[str, bytes, bytes]]:
        return [
            (BY_SOURCE, self._desk.name(BY_SOURCE, source.encode()), patient.handle)
            for source in sources
        ]

    def _pooled(self) -> tuple[bytes, bytes]:
        """(key, root) of a root in the pool whose tags are on the ledger; a low pool is filled."""
        ready = self._ready()
        if not ready:
            self._fill().result()
            ready = self._ready()
        elif len(ready) <= POOL_LOW:
            self._fill()
        return ready[0]

    def _ready(self) -> list[tuple[bytes, bytes]]:
        return [one for one in self._desk.all(POOL) if self._is_registered(one[1])]

    def _fill(self) -> Future[None]:
        """Register more roots, beside; one fill at a time."""
        if self._filling is None or self._filling.done():
            self._filling = self._office.beside(self._register_more)
        return self._filling

    def _register_more(self) -> None:
        # Roots left by a fill that broke are registered now; their keys are on disk already.
        left = [one for _, one in self._desk.all(POOL) if not self._is_registered(one)]
        new = [(os.urandom(16), os.urandom(32)) for _ in range(POOL_ROOTS - len(left))]
        self._desk.change((POOL, key, root) for key, root in new)
        self._register([*left, *(root for _, root in new)][:POOL_ROOTS])

    def _is_registered(self, root: bytes) -> bool:
        return self._office.tag(Wallet(root).compartment(0).tag) is not None

    def _register(self, roots: Sequence[bytes]) -> None:
        registrations = [
            register_tag(keys.control(0), self._office.network, keys.tag)
            for root in roots
            for number in Compartment
            for keys in [Wallet(root).compartment(number)]
        ]
        registrations.sort(key=lambda registration: registration.tag)
        try:
            self._office.submit([RegisterTags(tags=registrations)])
        except Problem as problem:
            # A fill whose end was not heard of may be done after all.
            if problem.name != "TagExists" or not all(map(self._is_registered, roots)):
                raise

    def _own_tag(self, number: Compartment) -> CompartmentKeys:
        keys = self._house.compartment(number)
        with self._taking:
            if self._office.tag(keys.tag) is None:
                registration = register_tag(keys.control(0), self._office.network, keys.tag)
                self._office.submit([RegisterTags(tags=[registration])])
        return keys
