"""Whose record it is: the reference that places a resource in a Patient's compartment."""

from collections.abc import Iterator
from typing import Any

from salus.formats.fhir.elements import definitions

OTHER_PATHS = ("subject", "patient", "for")
"""Where types outside R4's Patient compartment name their patient, if they do (Device, Task)."""

_UNTYPED = ("urn:uuid:", "urn:oid:")
_SURE_PATHS = ("subject", "patient")


def patient_of(resource: dict[str, Any]) -> str | None:
    """
    Find the reference to the patient, as written; `subject` and `patient` come first.

    `resource`: passed the walker. It may be `Patient/1`, an absolute URL, `Patient?identifier=…`
    or, where the type is not said, a `urn:uuid:` under subject or patient. A Patient answers
    with `Patient/` and its id. None where no patient is named: a group's list, a device in
    stock, or a patient known by identifier alone.
    """
    kind = resource["resourceType"]
    if kind == "Patient":
        return f"Patient/{resource['id']}" if "id" in resource else None
    for path in definitions().patients.get(kind, OTHER_PATHS):
        for reference in _references(resource, path.split(".")):
            if _names_patient(reference, is_sure=path in _SURE_PATHS):
                return str(reference["reference"])
    return None


def _names_patient(reference: dict[str, Any], *, is_sure: bool) -> bool:
    target = reference.get("reference")
    if type(target) is not str:
        return False
    if target.startswith(_UNTYPED):
        named = reference.get("type")
        return named == "Patient" if named else is_sure
    return target.startswith("Patient?") or "Patient" in target.split("/")[-4:-1]


def _references(value: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """All objects at a path, lists opened on the way."""
    if type(value) is list:
        for item in value:
            yield from _references(item, path)
    elif not path:
        yield value
    elif path[0] in value:
        yield from _references(value[path[0]], path[1:])
