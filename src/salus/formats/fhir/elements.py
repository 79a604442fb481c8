"""
R4's types as lookup tables: for each member name of an object, what may stand there.

Built from `definitions/r4.json.gz` (by `tools/build_fhir_definitions.py`) when first asked
for, and kept. A primitive `birthDate` also brings `_birthDate`, its id and extensions
(FHIR R4 2.6.2.1), so that one lookup answers for either.
"""

import enum
import functools
import gzip
import json
from importlib import resources
from typing import NamedTuple, Self

from salus.formats.fhir.primitives import CHECKS, Check

Concepts = frozenset[tuple[str, str]]
"""Pairs of code system and code."""


class Kind(enum.Enum):
    """What the JSON value of an element is."""

    PRIMITIVE = enum.auto()
    OBJECT = enum.auto()
    RESOURCE = enum.auto()
    """A whole resource, by its own `resourceType`: contained, or in a Bundle's entry."""

    SHADOW = enum.auto()
    """The `_name` beside a primitive."""


class Element(NamedTuple):
    """One member name of a table."""

    kind: Kind
    is_list: bool

    passes: Check
    """Whether a primitive's value is lawful, the required value set included."""

    table: "Table | None"
    """Table of an object's or shadow's members, else None."""

    choice: str
    """Stem of a choice, `value` for `valueQuantity`; "" where there is none."""

    type: str
    """FHIR type name."""

    values: str
    """URL of the required value set, or ""."""

    concepts: Concepts | None
    """What one coding of a CodeableConcept must be, where a required set binds it."""


class Table:
    """One type: its elements by member name, and what may not be missing."""

    __slots__ = ("elements", "name", "required")

    def __init__(self, name: str) -> None:
        """Begin empty: tables refer to each other, in circles too."""
        self.name = name
        self.elements: dict[str, Element] = {}
        self.required: tuple[tuple[str, frozenset[str]], ...] = ()
        """Element name as in the definition, and the member names of which one must stand."""


class Definitions(NamedTuple):
    """All of R4 that the validator knows."""

    resources: dict[str, Table]
    """By concrete resource type (146)."""

    names: frozenset[str]
    """Every element's name: words of the standard, so none of them tells about a person."""

    patients: dict[str, tuple[str, ...]]
    """Reference paths of the Patient compartment, likeliest first, by resource type (66)."""

    @classmethod
    def load(cls) -> Self:
        """Unpack the packed tables; 30 ms, so callers use `definitions()`."""
        packed = resources.files("salus.formats.fhir").joinpath("definitions/r4.json.gz")
        source = json.loads(gzip.decompress(packed.read_bytes()))
        tables = {name: Table(name) for name in source["elements"]}
        for name, rows in source["elements"].items():
            _fill(tables[name], rows, tables, source["values"])
        resource_types = {name: tables[name] for name in source["resources"]}
        for table in resource_types.values():
            table.elements["resourceType"] = _RESOURCE_TYPE
        return cls(
            resources=resource_types,
            names=frozenset(name for table in tables.values() for name in table.elements),
            patients={name: tuple(paths) for name, paths in source["patients"].items()},
        )


@functools.cache
def definitions() -> Definitions:
    """R4's tables, loaded once a process."""
    return Definitions.load()


Row = tuple[str, int, int, str, str]
"""Type, min, max (0 = many), choice stem, value set: a row of the packed file."""

Values = dict[str, dict[str, list[str]]]
"""Value set -> code system -> codes."""


def _fill(table: Table, rows: dict[str, Row], tables: dict[str, Table], values: Values) -> None:
    needed: dict[str, set[str]] = {}
    for name, row in rows.items():
        kind, low, high, choice, _ = row
        names = {name: _element(row, tables, values)}
        if kind in CHECKS:
            names[f"_{name}"] = _shadow(tables["Element"], choice, kind, is_list=high == 0)
        table.elements |= names
        if low > 0:
            needed.setdefault(f"{choice}[x]" if choice else name, set()).update(names)
    table.required = tuple((name, frozenset(names)) for name, names in needed.items())


def _element(row: Row, tables: dict[str, Table], values: Values) -> Element:
    kind, _, high, choice, url = row
    systems = values.get(url, {})
    check = CHECKS.get(kind)
    if check and systems:
        check = _one_of(frozenset(code for codes in systems.values() for code in codes))
    is_bound_concept = bool(systems) and kind == "CodeableConcept"
    return Element(
        kind=Kind.PRIMITIVE if check else Kind.RESOURCE if kind == "Resource" else Kind.OBJECT,
        is_list=high == 0,
        passes=check or _never,
        table=None if check or kind == "Resource" else tables[kind],
        choice=choice,
        type=kind,
        values=url if systems else "",
        concepts=frozenset((s, code) for s, codes in systems.items() for code in codes)
        if is_bound_concept
        else None,
    )


def _shadow(table: Table, choice: str, kind: str, *, is_list: bool) -> Element:
    return Element(
        kind=Kind.SHADOW,
        is_list=is_list,
        passes=_never,
        table=table,
        choice=choice,
        type=kind,
        values="",
        concepts=None,
    )


def _one_of(codes: frozenset[str]) -> Check:
    return lambda value: type(value) is str and value in codes


def _never(_value: object) -> bool:
    return False


def _is_named(value: object) -> bool:
    return type(value) is str


_RESOURCE_TYPE = Element(
    kind=Kind.PRIMITIVE,
    is_list=False,
    passes=_is_named,
    table=None,
    choice="",
    type="code",
    values="",
    concepts=None,
)
"""The member that named the table; whoever looked it up has checked it."""
