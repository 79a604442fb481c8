"""The packed tables are what R4's definitions say."""

import gzip
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salus.formats.fhir.elements import Kind, definitions

ROOT = Path(__file__).parents[4]
PACKED = ROOT / "src/salus/formats/fhir/definitions/r4.json.gz"


@pytest.fixture(scope="module")
def builder() -> dict[str, Any]:
    """The build program's functions."""
    return runpy.run_path(str(ROOT / "tools/build_fhir_definitions.py"))


def test_tables_rebuild(builder: dict[str, Any]) -> None:
    """
    The committed tables are the program's output, byte for byte.

    Unpacked bytes: two builds of zlib may pack the same bytes in two ways.
    """
    packed: Callable[[object], bytes] = builder["packed"]
    read: Callable[[Path], object] = builder["read_definitions"]

    assert packed(read(builder["SOURCE"])) == gzip.decompress(PACKED.read_bytes())


def test_build_fails_on_a_set_it_does_not_understand(builder: dict[str, Any]) -> None:
    """A filter left out would be a check that never fires."""
    filtered = {"url": "x", "compose": {"include": [{"system": "s", "filter": []}]}}
    with pytest.raises(ValueError, match="only whole systems"):
        builder["codes_of"](filtered, {})


def test_tables_are_complete() -> None:
    """662 types, 146 of them resources, 66 of those in the Patient compartment."""
    rows = json.loads(gzip.decompress(PACKED.read_bytes()))

    assert (662, 220) == (len(rows["elements"]), len(rows["values"]))
    assert (146, 66) == (len(definitions().resources), len(definitions().patients))


def test_elements_are_spelt_out() -> None:
    """Choices, nested parts, references to other parts, shadows and ids are each one lookup."""
    observation = definitions().resources["Observation"]
    elements = observation.elements
    component = elements["component"].table

    assert ("value", Kind.OBJECT) == (
        elements["valueQuantity"].choice,
        elements["valueQuantity"].kind,
    )
    assert component is not None
    assert component.elements["referenceRange"].table is elements["referenceRange"].table
    assert Kind.SHADOW is elements["_status"].kind
    assert not elements["code"].passes("text")
    assert "_valueQuantity" not in elements
    assert ("id", "Resource") == (elements["id"].type, elements["contained"].type)
    assert {"status", "code"} == {name for name, _ in observation.required}
