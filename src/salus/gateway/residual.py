"""
The finer rules of a grant, applied by the reader's gateway (`patient-control.md` §3.7).

Start with permit; of the rules that match a record the last decides. A rule this version cannot
judge counts against showing.
"""

from collections.abc import Iterable, Sequence

from salus.client.unseal import Record
from salus.formats.fhir.labels import COMPARTMENT_LABELS
from salus.sealed.grants import Rule


def labels_rule(granted: Iterable[int]) -> list[Rule]:
    """
    Hide what carries a label of a sensitive compartment that is not granted.

    A record labelled for two compartments lies in the stricter one; without this rule a reader of
    that one alone would learn the other.
    """
    open_now = set(granted)
    denied = sorted(
        label
        for compartment, labels in COMPARTMENT_LABELS.items()
        if compartment not in open_now
        for label in labels
    )
    if not denied:
        return []
    return [Rule(authors=[], encounters=[], labels=denied, permit=False, records=[], types=[])]


def permits(rules: Sequence[Rule], record: Record, author: bytes) -> bool:
    """Whether a record may be shown."""
    permitted = True
    for rule in rules:
        if rule.encounters:
            permitted = permitted and rule.permit
        elif _matches(rule, record, author):
            permitted = rule.permit
    return permitted


def _matches(rule: Rule, record: Record, author: bytes) -> bool:
    meta = record.meta
    return (
        (not rule.types or meta.type in rule.types)
        and (not rule.labels or bool(set(rule.labels) & set(meta.labels)))
        and (not rule.authors or author in rule.authors)
        and (not rule.records or record.record in rule.records)
        and (rule.first_day is None or meta.day >= rule.first_day)
        and (rule.last_day is None or meta.day <= rule.last_day)
    )
