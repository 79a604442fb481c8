"""
What a sender hands over: one resource, a Bundle or NDJSON; all of it is good, or none is taken.

Each resource keeps its exact bytes, the untouched slice of the input, because those are
sealed, committed and one day given back. Its decoded value is for checking and indexing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from salus.base.errors import Category
from salus.formats.fhir.bundle_rules import bundle_issues
from salus.formats.fhir.codec import BOM, parse
from salus.formats.fhir.issues import FhirProblem, Issue, refusal, too_large
from salus.formats.fhir.limits import (
    BUNDLE_BYTES_MAX,
    ENTRIES_MAX,
    ISSUES_MAX,
    RESOURCE_BYTES_MAX,
)
from salus.formats.fhir.walker import validate

TYPES = ("transaction", "batch", "collection")
"""Bundle types that bring resources in; the others are answers, documents and messages."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that passed."""

    type: str
    """R4 resource type."""

    id: str | None
    """Its logical id, 1–64 characters, where the sender gave one."""

    full_url: str | None
    """`Bundle.entry.fullUrl`: the name other entries refer to it by; None outside a Bundle."""

    raw: bytes
    """Exact bytes as sent, from brace to brace."""

    value: dict[str, Any]
    """The same, decoded."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be done with an entry of a transaction or batch (`Bundle.entry.request`)."""

    method: str
    """GET, HEAD, POST, PUT, DELETE or PATCH."""

    url: str
    """Relative to the base: `Patient`, `Patient/1`, `Patient?identifier=...`."""

    if_match: str | None
    """ETag of the version to replace."""

    if_none_exist: str | None
    """Search that must find nothing, else its one result stands for the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; a collection's has no request, that of a DELETE or GET no resource."""

    resource: Resource | None
    request: Request | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked Bundle: its rules hold and every resource in it passed."""

    type: str
    """transaction, batch or collection."""

    entries: tuple[Entry, ...]
    """In the sender's order, 0–20,000."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources, in entry order."""
        return tuple(entry.resource for entry in self.entries if entry.resource)


def read_bundle(data: bytes) -> Bundle:
    """
    Decode and check a transaction, batch or collection of at most 50 MiB.

    Raises `FhirProblem`: TooLarge, BodyMalformed (see `codec.parse`); StructureInvalid,
    CodeInvalid or BundleInvalid with up to 100 issues; BundleTypeUnsupported; TooLarge
    (entries, one resource's bytes).
    """
    value = parse(data, bytes_max=BUNDLE_BYTES_MAX)
    if type(value) is not dict or value.get("resourceType") != "Bundle":
        rule = "expected a Bundle"
        raise refusal([Issue("structure", "structure", "Bundle.resourceType", rule)])
    entries = value.get("entry", [])
    if type(entries) is list and len(entries) > ENTRIES_MAX:
        raise too_large("entries of a Bundle", ENTRIES_MAX, len(entries))
    issues = check(value)
    if issues:
        raise refusal(issues)
    if value.get("type") not in TYPES:
        text = f"expected a Bundle of type {', '.join(TYPES)}; send its resources in one of these"
        raise FhirProblem(Category.MALFORMED, "BundleTypeUnsupported", text)
    slices = _SLICES.decode(data.removeprefix(BOM)).entry
    return Bundle(
        type=value["type"],
        entries=tuple(map(_entry, entries, slices)),
    )


def read_resource(data: bytes) -> Resource:
    """
    Decode and check one resource of at most 10 MiB.

    Raises `FhirProblem`: TooLarge, BodyMalformed, StructureInvalid, CodeInvalid, BundleInvalid.
    """
    value = parse(data)
    issues = check(value)
    if issues:
        raise refusal(issues)
    return _resource(None, data.removeprefix(BOM).strip(_BLANKS), value)


def read_ndjson(data: bytes) -> list[Resource]:
    """
    Decode and check a resource a line (Bulk Data 2.0), at most 50 MiB and 20,000 lines.

    Blank lines are passed over. Raises what `read_resource` does, with line numbers from 1:
    one malformed line ends the reading, findings are collected over all lines.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise too_large("bytes of NDJSON", BUNDLE_BYTES_MAX, len(data))
    found: list[Resource] = []
    issues: list[Issue] = []
    for number, line in _lines(data.removeprefix(BOM)):
        value = _parse_line(number, line)
        issues += (issue._replace(line=number) for issue in check(value))
        if len(issues) >= ISSUES_MAX:
            break
        if not issues:
            found.append(_resource(None, line, value))
        if len(found) > ENTRIES_MAX:
            raise too_large("lines of NDJSON", ENTRIES_MAX, len(found))
    if issues:
        raise refusal(issues[:ISSUES_MAX])
    return found


def check(value: Any) -> list[Issue]:
    """
    Find what is wrong with a resource, and with the whole where it is a Bundle; O(n).

    `value`: as `codec.parse` gives it. Answers 0–100 issues.
    """
    issues = validate(value)
    if not issues and value["resourceType"] == "Bundle":
        return bundle_issues(value)
    return issues


_BLANKS = b" \t\r\n"


class _RawEntry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _RawBundle(msgspec.Struct):
    entry: list[_RawEntry] = []


_SLICES = msgspec.json.Decoder(_RawBundle)


def _entry(value: dict[str, Any], slices: _RawEntry) -> Entry:
    request = value.get("request")
    resource = value.get("resource")
    return Entry(
        resource=_resource(value.get("fullUrl"), bytes(slices.resource), resource)
        if resource
        else None,
        request=Request(
            method=request["method"],
            url=request["url"],
            if_match=request.get("ifMatch"),
            if_none_exist=request.get("ifNoneExist"),
        )
        if request
        else None,
    )


def _resource(full_url: str | None, raw: bytes, value: Any) -> Resource:
    if len(raw) > RESOURCE_BYTES_MAX:
        raise too_large("bytes of one resource", RESOURCE_BYTES_MAX, len(raw))
    return Resource(value["resourceType"], value.get("id"), full_url, raw, value)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, numbered from 1, one at a time."""
    start = 0
    number = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        line = data[start:end].strip(_BLANKS)
        if line:
            yield number, line
        start = end + 1


def _parse_line(number: int, line: bytes) -> object:
    try:
        return parse(line)
    except FhirProblem as problem:
        text = f"line {number}: {problem.text}"
        raise FhirProblem(problem.category, problem.name, text) from None
