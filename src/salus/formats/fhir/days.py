"""
A record's clinical day, which decides the slot its key is sealed to (`patient-control.md` §3.2).

The day is the date as written, in no time zone: what the chart says is what a patient means
by "my records of that week".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

DAY_ZERO = date(1900, 1, 1)
DAY_MAX = 65_535
"""Last day number, 2079-06-06: a u16."""

LEVEL_DAY = 0
LEVEL_BLOCK = 8
"""Levels of the day tree: a day, and a block of 2^8 days."""

_FULL_DATE = len("2019-05-01")

_PATHS = (
    ("effectiveDateTime",),
    ("effectiveInstant",),
    ("effectivePeriod", "start"),
    ("effectiveTiming", "event"),
    ("onsetDateTime",),
    ("onsetPeriod", "start"),
    ("performedDateTime",),
    ("performedPeriod", "start"),
    ("occurrenceDateTime",),
    ("occurrencePeriod", "start"),
    ("occurrenceTiming", "event"),
    ("authoredOn",),
    ("issued",),
    ("period", "start"),
    ("recordedDate",),
    ("date",),
    ("created",),
)
"""Where a date may stand, the most clinical first; of a list its first value."""


@dataclass(frozen=True, slots=True)
class Day:
    """A slot: a day, or the block that holds a date known only in part."""

    level: int
    """0 = a day, 8 = a block of 256 days."""

    index: int
    """Days since 1900-01-01 (0–65,535), or that shifted right by 8 (0–255)."""


def day_of(resource: dict[str, Any]) -> Day | None:
    """
    Find the day of a record by the first date present.

    `resource`: passed the walker. None where it has no date, or one after 2079-06-06.
    """
    text = next(_dates(resource), None)
    return None if text is None else _day(text)


def _dates(resource: dict[str, Any]) -> Iterator[str]:
    for path in _PATHS:
        value: object = resource
        for name in path:
            value = value.get(name) if type(value) is dict else None
        if type(value) is list:
            value = value[0]
        if type(value) is str:
            yield value


def _day(text: str) -> Day | None:
    # A date in part counts as its first day, and is placed by block alone.
    year, month, day = text[:4], text[5:7] or "01", text[8:10] or "01"
    number = max(0, (date(int(year), int(month), int(day)) - DAY_ZERO).days)
    if number > DAY_MAX:
        return None
    if len(text) < _FULL_DATE:
        return Day(LEVEL_BLOCK, number >> LEVEL_BLOCK)
    return Day(LEVEL_DAY, number)
