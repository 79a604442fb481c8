"""Random resources made from the tables pass; break one member, and they don't."""

import gzip
import json
from importlib import resources as files

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.formats.fhir.elements import Element, Kind, Table, definitions
from salus.formats.fhir.walker import validate

PRIMITIVES: dict[str, st.SearchStrategy[object]] = {
    "base64Binary": st.binary(min_size=3, max_size=3).map(lambda _: "QUJD"),
    "boolean": st.booleans(),
    "date": st.dates().map(str),
    "dateTime": st.dates().map(lambda day: f"{day}T10:00:00Z"),
    "decimal": st.integers(-(10**9), 10**9) | st.decimals(-9, 9, places=3),
    "id": st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True),
    "instant": st.dates().map(lambda day: f"{day}T10:00:00.123+14:00"),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "oid": st.integers(0, 10**9).map(lambda number: f"urn:oid:1.2.{number}"),
    "positiveInt": st.integers(1, 2**31 - 1),
    "time": st.times().map(lambda time: f"{time:%H:%M:%S}"),
    "unsignedInt": st.integers(0, 2**31 - 1),
    "uuid": st.uuids().map(lambda uuid: f"urn:uuid:{uuid}"),
}
"""Values by type; all other types take a word."""


def first_codes() -> dict[str, str]:
    """A code of each required value set."""
    packed = files.files("salus.formats.fhir").joinpath("definitions/r4.json.gz")
    sets = json.loads(gzip.decompress(packed.read_bytes()))["values"]
    return {url: next(iter(systems.values()))[0] for url, systems in sets.items()}


CODES = first_codes()
DEPTH_WITH_OPTIONS = 3


@st.composite
def resources(draw: st.DrawFn) -> dict[str, object]:
    """Any resource the tables allow: what is required, and a few elements more."""
    name = draw(st.sampled_from(sorted(definitions().resources)))
    return {"resourceType": name} | members(draw, definitions().resources[name], depth=0)


def members(draw: st.DrawFn, table: Table, depth: int) -> dict[str, object]:
    """Members of one object; deep down only the required ones, or any one."""
    plain = sorted(
        name
        for name, element in table.elements.items()
        if element.kind is not Kind.SHADOW and name not in {"resourceType", "extension"}
    )
    # ExampleScenario.instance has a required element called resourceType.
    chosen = [
        min(spellings & set(plain), default=min(spellings)) for _, spellings in table.required
    ]
    if depth < DEPTH_WITH_OPTIONS:
        chosen += draw(st.lists(st.sampled_from(plain), max_size=1 if depth else 4))
    chosen = chosen or ["id"]
    # Of the spellings of one choice the first is taken, as the required ones come first.
    by_choice = {table.elements[name].choice or name: name for name in reversed(chosen)}
    return {name: value(draw, table.elements[name], depth + 1) for name in by_choice.values()}


def value(draw: st.DrawFn, element: Element, depth: int) -> object:
    """A lawful value of one element, as a list where it repeats."""
    made: object
    if element.kind is Kind.RESOURCE:
        made = {"resourceType": "Binary", "contentType": "text/plain"}
    elif element.concepts:
        system, code = min(element.concepts)
        made = {"coding": [{"system": system, "code": code}]}
    elif element.table:
        made = members(draw, element.table, depth)
    elif element.values:
        made = CODES[element.values]
    else:
        made = draw(PRIMITIVES.get(element.type, st.just("word")))
    return [made] if element.is_list else made


RANDOM = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(resources())
def test_what_the_tables_allow_passes(resource: dict[str, object]) -> None:
    """Every type can be written as its table says."""
    assert [] == validate(resource)


@RANDOM
@given(resources(), st.data())
def test_one_mutation_fails(resource: dict[str, object], data: st.DataObject) -> None:
    """Whichever member is broken, and however, the resource is refused."""
    name = data.draw(st.sampled_from(sorted(resource.keys() - {"resourceType"})))
    broken: object = data.draw(
        st.sampled_from([None, {}, [], [[]], {"x": 1}, [resource[name], None]])
    )

    assert [] != validate(resource | {name: broken})
