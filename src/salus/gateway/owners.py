"""
Whose each resource of a document is, by the references that name a person.

A person is known by the names that record systems write: `Patient/<id>` and the `fullUrl` of the
entry that brought them. Nobody is enrolled before the whole document has a place, so that a refused
one leaves no trace. What names no person, or two, is nobody's alone and stands in no grant
(`interop.md` §5.5). All record systems of a member share one space of ids here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from salus.base.errors import Category, Problem
from salus.formats.fhir.bundle import Resource
from salus.formats.fhir.elements import definitions
from salus.formats.fhir.patients import patient_of
from salus.gateway.keyring import Keyring, Patient

PATIENT = "Patient"


class Owners:
    """The people of one document."""

    def __init__(self, keyring: Keyring, resources: Sequence[Resource]) -> None:
        """Collect who comes with the document; raises Problem PatientUnnamed, PatientAmbiguous."""
        self._keyring = keyring
        self._coming: dict[str, tuple[tuple[str, ...], str]] = {}
        """Name -> (all names, the person's own name)."""
        self._people: dict[str, bytes | None] = {}
        for resource in resources:
            if resource.type == PATIENT:
                self._take(resource)

    def of(self, resource: Resource) -> str | None:
        """
        The name of the person a resource belongs to; None if it is nobody's alone.

        Raises Problem PatientUnknown: it names a person who is neither in the document nor here.
        """
        if resource.type == PATIENT:
            return _names(resource)[0]
        named = patient_of(resource.value)
        if named is None:
            return None
        name = self._first_name(_plain(named))
        person = self._person(name)
        if person is None:
            raise Problem(
                Category.NOT_FOUND,
                "PatientUnknown",
                f"{resource.type}: its patient is neither in this document nor known here; send "
                "the Patient resource first, or in the same bundle",
            )
        people = set(map(self._person, _people(resource.value)))
        return name if people <= {person, None} else None

    def enrol(self, name: str) -> Patient:
        """The patient of a name that `of` gave, taken into custody if new."""
        names, spoken = self._coming.get(name, ((name,), ""))
        return self._keyring.enrol(names, spoken)

    def _take(self, resource: Resource) -> None:
        names = _names(resource)
        for name in names:
            known = self._coming.setdefault(name, (names, spoken_name(resource.value)))
            if known[0] != names:
                raise Problem(
                    Category.INVALID,
                    "PatientAmbiguous",
                    "two Patient resources of the document share an id or fullUrl; send each with "
                    "its own",
                )
        self._keyring.one_of(names)

    def _first_name(self, name: str) -> str:
        """The foremost of a coming person's names."""
        return self._coming[name][0][0] if name in self._coming else name

    def _person(self, name: str) -> bytes | None:
        """One word for all names of a person; None for who is neither here nor in the document."""
        if name not in self._people:
            names = self._coming.get(name, ((name,), ""))[0]
            patient = self._keyring.one_of(names)
            new = self._first_name(name).encode() if name in self._coming else None
            self._people[name] = new if patient is None else patient.handle
        return self._people[name]


def spoken_name(patient: dict[str, Any]) -> str:
    """A person's name for the member's own staff; empty if none is given."""
    name: dict[str, Any] = next(iter(patient.get("name", [])), {})
    # A given name may be null, with only an extension beside it.
    parts = [*name.get("given", []), name.get("family")]
    spoken = " ".join(part for part in parts if type(part) is str).strip()
    return spoken or str(name.get("text", ""))


def _names(patient: Resource) -> tuple[str, ...]:
    """What references call this person; raises Problem PatientUnnamed."""
    named = None if patient.id is None else f"{PATIENT}/{patient.id}"
    names = tuple(name for name in (named, patient.full_url) if name is not None)
    if not names:
        raise Problem(
            Category.INVALID,
            "PatientUnnamed",
            "Patient: expected an id, or a fullUrl in its bundle entry, for others to refer to",
        )
    return names


def _plain(reference: str) -> str:
    """A reference without the version it may name."""
    return reference.partition("/_history/")[0]


def _people(resource: dict[str, Any]) -> Iterator[str]:
    """All references at the places where R4 puts the patients of a type."""
    for path in definitions().patients.get(resource["resourceType"], ()):
        for reference in _at(resource, path.split(".")):
            target = reference.get("reference")
            if type(target) is str:
                yield _plain(target)


def _at(value: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    if type(value) is list:
        for item in value:
            yield from _at(item, path)
    elif type(value) is dict:
        if not path:
            yield value
        elif path[0] in value:
            yield from _at(value[path[0]], path[1:])
