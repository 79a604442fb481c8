"""
R4's rules on a Bundle as a whole, bdl-1 to bdl-12, and that a write brings what it writes.

They read a Bundle that passed the walker, so types are what the tables say.
"""

from collections.abc import Iterator
from typing import Any

from salus.formats.fhir.issues import Issue
from salus.formats.fhir.limits import ISSUES_MAX

_REQUESTED = {"batch", "transaction", "history"}
_WRITING = {"batch", "transaction"}
_ANSWERED = {"batch-response", "transaction-response", "history"}
_WRITES = {"POST", "PUT", "PATCH"}

_SEARCH_ONLY = "bdl-1: expected a total only in a searchset or history"
_ENTRY_SEARCH_ONLY = "bdl-2: expected a search part only in a searchset"
_REQUEST = (
    "bdl-3: expected a request in each entry of a batch, transaction or history, and only there"
)
_RESPONSE = "bdl-4: expected a response in each entry of such an answer or history, and only there"
_CONTENT = "bdl-5: expected a resource, a request or a response"
_UNIQUE = "bdl-7: expected no other entry with this fullUrl and meta.versionId"
_VERSION = "bdl-8: expected a fullUrl without a version"
_IDENTIFIER = "bdl-9: expected an identifier with system and value in a document"
_TIMESTAMP = "bdl-10: expected a timestamp in a document"
_COMPOSITION = "bdl-11: expected a Composition as the first entry of a document"
_MESSAGE = "bdl-12: expected a MessageHeader as the first entry of a message"
_VERB = "expected method and url of the request as values"
_BODY = "expected the resource that POST, PUT or PATCH writes (FHIR R4 3.1.0.11)"


def bundle_issues(bundle: dict[str, Any]) -> list[Issue]:
    """
    Find where a Bundle breaks its own rules; O(entries).

    `bundle`: passed `walker.validate`. Answers 0–100 issues of level bundle, code invariant.
    """
    issues: list[Issue] = []
    for path, rule in _breaches(bundle):
        issues.append(Issue("bundle", "invariant", path, rule))
        if len(issues) == ISSUES_MAX:
            break
    return issues


def _breaches(bundle: dict[str, Any]) -> Iterator[tuple[str, str]]:
    # A required primitive may stand as an extension alone, so it is asked for, not taken.
    kind = bundle.get("type", "")
    entries = bundle.get("entry", [])
    if "total" in bundle and kind not in {"searchset", "history"}:
        yield "Bundle.total", _SEARCH_ONLY
    if kind == "document":
        yield from _document_breaches(bundle, entries)
    if kind == "message" and _type_of_first(entries) != "MessageHeader":
        yield "Bundle.entry[0]", _MESSAGE
    seen: set[tuple[str, str | None]] = set()
    for index, entry in enumerate(entries):
        for rule in (*_entry_breaches(kind, entry), *_name_breaches(kind, entry, seen)):
            yield f"Bundle.entry[{index}]", rule


def _document_breaches(
    bundle: dict[str, Any], entries: list[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    identifier = bundle.get("identifier", {})
    if "system" not in identifier or "value" not in identifier:
        yield "Bundle.identifier", _IDENTIFIER
    if "timestamp" not in bundle:
        yield "Bundle.timestamp", _TIMESTAMP
    if _type_of_first(entries) != "Composition":
        yield "Bundle.entry[0]", _COMPOSITION


def _entry_breaches(kind: str, entry: dict[str, Any]) -> Iterator[str]:
    if "search" in entry and kind != "searchset":
        yield _ENTRY_SEARCH_ONLY
    if ("request" in entry) != (kind in _REQUESTED):
        yield _REQUEST
    if ("response" in entry) != (kind in _ANSWERED):
        yield _RESPONSE
    if entry.keys().isdisjoint({"resource", "request", "response"}):
        yield _CONTENT
    request = entry.get("request", {"method": "", "url": ""})
    if "method" not in request or "url" not in request:
        yield _VERB
    if kind in _WRITING and "resource" not in entry and request.get("method") in _WRITES:
        yield _BODY


def _name_breaches(
    kind: str, entry: dict[str, Any], seen: set[tuple[str, str | None]]
) -> Iterator[str]:
    """Rules of fullUrl; `seen` collects the names of the entries before."""
    if "fullUrl" not in entry:
        return
    if "/_history/" in entry["fullUrl"]:
        yield _VERSION
    version = entry.get("resource", {}).get("meta", {}).get("versionId")
    name = (entry["fullUrl"], version)
    # A history may list one version of one resource more than once (FHIR R4 bdl-7).
    if name in seen and kind != "history":
        yield _UNIQUE
    seen.add(name)


def _type_of_first(entries: list[dict[str, Any]]) -> str | None:
    kind: str | None = entries[0].get("resource", {}).get("resourceType") if entries else None
    return kind
