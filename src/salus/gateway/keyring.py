"""
Patients in the member's custody: their roots, found again by the record systems' own ids.

A root is on disk before its tags are on the ledger. Tags are registered 256 at once: sixteen roots,
real ones among roots kept for future patients, so that one person's tags never stand together.
"""

import os
from collections.abc import Iterator

from salus.base import codec
from salus.base.codec import Struct
from salus.base.types import Hash32, Id16
from salus.client.wallet import Compartment, CompartmentKeys, Wallet
from salus.gateway.desk import Desk, Item
from salus.gateway.office import Office
from salus.modules.consent.messages import RegisterTags
from salus.sealed.acts import register_tag

POOL_ROOTS = 16
"""Roots registered at once: 16 roots × 16 compartments = 256 tags."""

PATIENT = "patient"
POOL = "pool"
BY_SOURCE = "patient-by-source"
BY_TAG = "patient-by-tag"
"""Kinds of items on the desk."""

HOUSE = Compartment.DOCUMENTS
"""The compartment of the member's own root that holds directory data."""


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
    """The member's patients and its own house wallet."""

    def __init__(self, desk: Desk, office: Office, house_root: bytes) -> None:
        """`house_root`: root of the member's own tags, 32 B."""
        self._desk = desk
        self._office = office
        self._house = Wallet(house_root).compartment(HOUSE)

    def __iter__(self) -> Iterator[Patient]:
        """All patients, by handle."""
        for _, value in self._desk.all(PATIENT):
            yield codec.decode(value, Patient)

    @property
    def house(self) -> CompartmentKeys:
        """The keys of the house tag, registered on first use."""
        tag = self._house.tag
        if self._office.tag(tag) is None:
            registration = register_tag(self._house.control(0), self._office.network, tag)
            self._office.submit([RegisterTags(tags=[registration])])
        return self._house

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

    def enrol(self, source: str, name: str) -> Patient:
        """The patient of this source, taken in with a root from the pool if new."""
        known = self.by_source(source)
        if known is not None:
            return known
        pool_key, root = self._take_root()
        patient = Patient(handle=os.urandom(16), name=name, root=root, source=source)
        items: list[Item] = [
            (PATIENT, patient.handle, codec.encode(patient)),
            (BY_SOURCE, self._desk.name(BY_SOURCE, source.encode()), patient.handle),
        ]
        for number in Compartment:
            tag = patient.wallet.compartment(number).tag
            items.append((BY_TAG, self._desk.name(BY_TAG, tag), patient.handle + bytes([number])))
        self._desk.put_all(items)
        self._desk.delete(POOL, pool_key)
        return patient

    def _take_root(self) -> tuple[bytes, bytes]:
        ready = next(self._ready(), None)
        if ready is None:
            self._fill_pool()
            ready = next(self._ready())
        return ready

    def _ready(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, root) of pooled roots whose tags are on the ledger; repairs a broken fill."""
        for key, root in self._desk.all(POOL):
            if self._office.tag(Wallet(root).compartment(0).tag) is not None:
                yield key, root

    def _fill_pool(self) -> None:
        roots = [os.urandom(32) for _ in range(POOL_ROOTS)]
        self._desk.put_all((POOL, os.urandom(16), root) for root in roots)
        registrations = [
            register_tag(keys.control(0), self._office.network, keys.tag)
            for root in roots
            for number in Compartment
            for keys in [Wallet(root).compartment(number)]
        ]
        registrations.sort(key=lambda registration: registration.tag)
        self._office.submit([RegisterTags(tags=registrations)])
