"""
Sensitivity labels of a record: those it carries, and those its codes ask for.

A label can only raise protection: whatever system a code in `meta.security` names, a known
label counts. Free text and codes that are not listed stay unlabelled; the product says so.
"""

import functools
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, NamedTuple

COMPARTMENT_LABELS = {
    13: ("ETH", "SUD", "ETHUD", "OPIOIDUD", "42CFRPart2"),
    15: ("GDIS", "SICKLE", "SCA"),
    14: ("SEX", "STD", "HIV", "SDV", "MST", "GENDER"),
    12: ("PSY", "PSYTHPN", "MH", "BH", "COGN", "DVD", "EMOTDIS"),
}
"""Compartments that labels open, the strictest first; v3-ActCode (`patient-control.md` §3.2)."""

PART2 = "42CFRPart2"
"""Records of a substance use disorder programme under 42 CFR part 2."""

RESTRICTED = "R"
"""v3-Confidentiality; stands beside each label that a code asked for."""

LABELS = frozenset(label for labels in COMPARTMENT_LABELS.values() for label in labels)
"""All labels that decide a compartment."""

KEPT = LABELS | {RESTRICTED, "V"}
"""Labels a record keeps: these, and the two stricter confidentialities."""


def labels_of(resource: dict[str, Any], *, part2: bool = False) -> tuple[str, ...]:
    """
    Collect a record's labels, sorted.

    `resource`: passed the walker. `part2`: its author is registered as a Part 2 programme,
    so all it records of a patient is.
    """
    found = {coding.get("code") for coding in resource.get("meta", {}).get("security", ())} & KEPT
    asked = {label for coding in _codings(resource) for label in _asked_by(coding)}
    if asked:
        found |= asked | {RESTRICTED}
    if part2:
        found |= {PART2, RESTRICTED}
    return tuple(sorted(found))


def compartment_of(labels: tuple[str, ...]) -> int | None:
    """Strictest compartment that the labels ask for, None without any."""
    found = set(labels)
    return next(
        (number for number, asking in COMPARTMENT_LABELS.items() if found.intersection(asking)),
        None,
    )


def _codings(value: object) -> Iterator[dict[str, Any]]:
    """All objects with system and code, wherever they stand: a reason tells as much as a code."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            if "code" in item and "system" in item:
                yield item
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)


class _Lists(NamedTuple):
    icd10: dict[str, frozenset[str]]
    """Labels by code or its beginning, without the dot."""

    snomed: dict[str, frozenset[str]]


_ICD10 = {
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "urn:oid:2.16.840.1.113883.6.90",
    "urn:oid:2.16.840.1.113883.6.3",
}
_SNOMED = {"http://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"}
_CATEGORY_LENGTH = 3
"""Letters of an ICD-10 category, `F10` of `F10.20`."""


def _asked_by(coding: dict[str, Any]) -> frozenset[str]:
    system, code = coding["system"], coding["code"]
    if system in _SNOMED:
        return _lists().snomed.get(code, frozenset())
    if system not in _ICD10:
        return frozenset()
    plain = code.replace(".", "").upper()
    beginnings = (plain[:length] for length in range(_CATEGORY_LENGTH, len(plain) + 1))
    return frozenset().union(*(_lists().icd10.get(b, frozenset()) for b in beginnings))


@functools.cache
def _lists() -> _Lists:
    packed = resources.files("salus.formats.fhir").joinpath("definitions/labels.json")
    source = json.loads(packed.read_bytes())
    icd10: dict[str, set[str]] = {}
    for label, entries in source["icd10"].items():
        for entry in entries:
            for code in _spelt_out(entry):
                icd10.setdefault(code, set()).add(label)
    snomed: dict[str, set[str]] = {}
    for label, codes in source["snomed"].items():
        for code in codes:
            snomed.setdefault(code, set()).add(label)
    return _Lists(_frozen(icd10), _frozen(snomed))


def _spelt_out(entry: str) -> list[str]:
    """`F10-F19` as its ten categories, `K70` as itself; without dots."""
    first, _, last = entry.replace(".", "").partition("-")
    if not last:
        return [first]
    # The two ends differ in their last digits only, by the form of labels.json.
    stem = first.rstrip("0123456789") if len(first) == _CATEGORY_LENGTH else first[:-1]
    width = len(first) - len(stem)
    low, high = int(first[len(stem) :]), int(last[len(stem) :])
    return [f"{stem}{number:0{width}}" for number in range(low, high + 1)]


def _frozen(table: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {code: frozenset(labels) for code, labels in table.items()}
