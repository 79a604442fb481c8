"""The sample patients that come with the project (`samples/fhir/ORIGIN.md`)."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import salus
from salus.base.errors import Category, Problem

FOLDER = Path(salus.__file__).parents[2] / "samples" / "fhir" / "synthea-2019"


def bundles(count: int) -> Iterator[tuple[str, bytes]]:
    """The first sample bundles as (name, bytes); raises Problem SamplesMissing."""
    paths = sorted(FOLDER.glob("*.json.gz"))
    if not paths:
        raise Problem(
            Category.UNSUPPORTED,
            "SamplesMissing",
            "expected samples/fhir beside src: run from a clone of the project",
        )
    for path in paths[:count]:
        yield path.name.removesuffix(".gz"), gzip.decompress(path.read_bytes())
