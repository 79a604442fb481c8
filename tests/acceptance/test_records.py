"""Records on a whole network: every byte comes back, bad input is kept, a lost member returns."""

import gzip
import io
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from rich.console import Console

from salus.doors.demo import samples
from salus.doors.demo.network import DemoNetwork
from salus.doors.demo.screen import Screen
from salus.doors.demo.tour import Tour
from salus.formats.fhir.bundle import read_bundle
from salus.gateway.grants import HOUSE
from tests.acceptance.world import EVERYTHING, SEGMENT_BYTES, World, make_world

ALL = 61
RESOURCES = 11_619


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All 61 sample patients imported."""
    world = make_world(tmp_path_factory.mktemp("full"), ALL)
    yield world
    world.network.close()


@pytest.mark.slow
def test_every_resource_opens_at_the_other_hospital_byte_for_byte(full: World) -> None:
    """All 11,619 resources of 61 bundles, by their SHA-256, neither more nor less."""
    sent = Counter(
        sha256(resource.raw).digest()
        for _, data in samples.bundles(ALL)
        for resource in read_bundle(data).resources
    )
    opened: Counter[bytes] = Counter()
    handles = [patient.handle for patient in full.north.gateway.patients()]
    for handle in [*handles, HOUSE]:
        given = full.give(handle, EVERYTHING)
        chart = full.south.gateway.open_chart(given.grant, "TREAT")
        opened.update(sha256(record.body).digest() for record in chart.records)

    assert RESOURCES == sent.total()
    assert sent == opened


@pytest.mark.slow
def test_all_members_end_with_one_app_hash(full: World) -> None:
    """Four copies executed the same blocks and agree on everything."""
    height = full.north.node.ledger.tip.height
    hashes = set()
    for member in full.network:
        member.node.ledger.wait_above(height - 1, 30)
        hashes.add(member.node.ledger.record(height).app)

    assert 1 == len(hashes)


def test_an_import_again_changes_nothing(shared: World) -> None:
    """The same documents are known by their bytes: no record is written twice."""
    before = shared.north.node.ledger.tip.log_size
    report = shared.north.gateway.import_fhir(samples.bundles(3))

    assert (3, 0, 0) == (report.unchanged, report.records, len(report.refused))
    assert before == shared.north.node.ledger.tip.log_size


def test_a_bundle_with_one_bad_resource_is_refused_whole_and_kept(shared: World) -> None:
    """The path to the fault is told, nothing is written, the bytes wait for a replay."""
    name, data = next(samples.bundles(4))
    broken = data.replace(b'"birthDate": "', b'"birthDate": "x', 1)
    before = shared.north.node.ledger.tip.log_size
    report = shared.north.gateway.import_fhir([("broken.json", broken)])
    kept = [one for one in shared.north.gateway.quarantine() if one.name == "broken.json"]

    assert ["StructureInvalid"] == [problem.name for _, problem in report.refused]
    assert "Bundle.entry[0].resource.birthDate" in report.refused[0][1].text
    assert before == shared.north.node.ledger.tip.log_size
    assert len(broken) == kept[0].size_bytes
    again = shared.north.gateway.replay(kept[0].id)
    assert 1 == len(again.refused)
    assert 1 == len([one for one in shared.north.gateway.quarantine() if one.name == "broken.json"])
    assert name


def test_ndjson_comes_in_like_a_bundle(shared: World) -> None:
    """Bulk Data files of another Synthea: patients first, then what refers to them."""
    folder = samples.FOLDER.parent / "synthea-2025"
    documents = [
        (f"{kind}.ndjson", gzip.decompress((folder / f"{kind}.ndjson.gz").read_bytes()))
        for kind in ("Patient", "AllergyIntolerance", "Immunization")
    ]
    report = shared.north.gateway.import_fhir(documents)
    lines = sum(data.count(b"\n{") + 1 for _, data in documents)

    assert not report.refused
    assert lines == report.records


@pytest.mark.slow
def test_the_tour_holds_also_on_the_folder_it_left(tmp_path: Path) -> None:
    """Every step, a lost and returning member included, on three patients; then once more."""
    for _ in range(2):
        network = DemoNetwork(tmp_path, segment_bytes=SEGMENT_BYTES)
        console = Console(file=io.StringIO(), width=100)
        try:
            Tour(network, Screen(console), 3).run()
        finally:
            network.close()


@pytest.mark.slow
def test_a_network_started_again_goes_on(tmp_path: Path) -> None:
    """Everything is on the disks: after a restart the same grant opens the same records."""
    world = make_world(tmp_path, 1)
    given = world.give(world.patient().handle, EVERYTHING)
    before = world.south.gateway.open_chart(given.grant, "TREAT")
    world.network.close()
    world.network.start()
    after = world.south.gateway.open_chart(given.grant, "TREAT")
    world.network.close()

    assert len(before.records) > 0
    assert {r.body for r in before.records} == {r.body for r in after.records}
