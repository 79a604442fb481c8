"""FHIR import end to end: the sample bundles sealed, stored by members, committed; four members."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.loaded import Shelf
from bench.quiet import prepare
from bench.report import Line
from bench.runs import in_process, peak_mb
from salus.doors.demo.network import DemoNetwork
from salus.doors.demo.samples import bundles


@dataclass(frozen=True, slots=True)
class _Imported:
    documents: int
    records: int
    seconds: float
    memory_mb: float


def measure(shelf: Shelf, documents: int) -> Iterator[Line]:
    """Import so many sample bundles into a new network."""
    done = in_process(_import, shelf.folder / "import", documents)
    yield Line(
        id="FHIR",
        what=f"import of {done.documents} bundles, {done.records:,} resources",
        unit="resources/s",
        salus=done.records / done.seconds,
        note=f"four members in one process, each with ledger and vault; {done.memory_mb:.0f} MB",
    )


def _import(folder: Path, documents: int) -> _Imported:
    samples = list(bundles(documents))
    network = DemoNetwork(folder)
    network.start()
    prepare()
    try:
        start_s = time.monotonic()
        report = network["north"].gateway.import_fhir(samples)
        seconds = time.monotonic() - start_s
    finally:
        network.close()
    assert not report.refused, report.refused
    return _Imported(report.documents, report.records, seconds, peak_mb())
