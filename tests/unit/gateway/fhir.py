"""Small FHIR documents for the gateway's tests."""

import json
from collections.abc import Sequence
from typing import Any

LABORATORY = "laboratory"
VITALS = "vital-signs"


def patient(name: str, **more: Any) -> dict[str, Any]:
    """A Patient with this id and family name."""
    return {"resourceType": "Patient", "id": name, "name": [{"family": name}], **more}


def observation(
    of: str | None,
    day: str = "2020-03-04",
    *,
    category: str = LABORATORY,
    labels: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """An Observation of a patient on a day, labelled."""
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "a finding"},
        "effectiveDateTime": day,
        "category": [{"coding": [{"system": "urn:category", "code": category}]}],
        **more,
    }
    if of is not None:
        found["subject"] = {"reference": of if ":" in of else f"Patient/{of}"}
    if labels:
        found["meta"] = {"security": [{"system": "urn:label", "code": label} for label in labels]}
    return found


def bundle(*resources: dict[str, Any], urls: Sequence[str | None] = ()) -> bytes:
    """A collection of resources; `urls`: the fullUrl of each, as far as given."""
    entries: list[dict[str, Any]] = [{"resource": resource} for resource in resources]
    for entry, url in zip(entries, urls, strict=False):
        if url is not None:
            entry["fullUrl"] = url
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
