"""Outside data of the FHIR tests, unpacked once a run."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from salus.formats.fhir.bundle import Bundle, Resource, read_bundle, read_ndjson
from salus.formats.fhir.codec import parse

ROOT = Path(__file__).parents[4]
DATA = ROOT / "tests/data/fhir"
SAMPLES = ROOT / "samples/fhir"


@pytest.fixture(scope="session")
def examples() -> dict[str, bytes]:
    """The 273 official R4 examples by file name."""
    return unzipped(DATA / "r4-examples.zip")


@pytest.fixture(scope="session")
def validator_cases() -> dict[str, bytes]:
    """Files of HL7's validator tests, `expected.json` with its verdicts among them."""
    return unzipped(DATA / "validator-cases.zip")


@pytest.fixture(scope="session")
def broken() -> list[Any]:
    """The 65 resources that are broken in one way each."""
    lines = gzip.decompress((DATA / "invalid-resources.ndjson.gz").read_bytes()).splitlines()
    return [parse(line) for line in lines]


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    """What the samples should hold."""
    listed: dict[str, Any] = json.loads((SAMPLES / "manifest.json").read_bytes())
    return listed


@pytest.fixture(scope="session")
def sources(manifest: dict[str, Any]) -> dict[str, bytes]:
    """Unpacked bytes of every sample by its name in the manifest."""
    rows = manifest["bundles"] + manifest["ndjson"]
    return {row["file"]: gzip.decompress((SAMPLES / row["file"]).read_bytes()) for row in rows}


@pytest.fixture(scope="session")
def bundles(manifest: dict[str, Any], sources: dict[str, bytes]) -> dict[str, Bundle]:
    """The 61 sample Bundles, read."""
    return {row["file"]: read_bundle(sources[row["file"]]) for row in manifest["bundles"]}


@pytest.fixture(scope="session")
def bulk(manifest: dict[str, Any], sources: dict[str, bytes]) -> dict[str, list[Resource]]:
    """The 13 NDJSON samples, read."""
    return {row["file"]: read_ndjson(sources[row["file"]]) for row in manifest["ndjson"]}


def unzipped(path: Path) -> dict[str, bytes]:
    """All members of a zip file by name."""
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}
