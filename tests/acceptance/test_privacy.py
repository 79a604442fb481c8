"""Nothing personal on any disk: markers planted in records, searched in every byte at rest."""

import base64
import json
from pathlib import Path

import pytest

from salus.doors.demo import samples
from salus.doors.demo.network import CAST
from tests.acceptance.world import EVERYTHING, World

MARKERS = ("Zzyzxmarker", "MRN-0451-QQX", "Planted diagnosis of vellichor", "Marker Street 77")
"""A family name, an identifier, a diagnosis, an address: found nowhere else in the world."""


def test_no_marker_is_found_on_any_disk_or_in_any_log(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """After import, grant, opening, report and a refused document: no file or log line has one."""
    bundle = _planted()
    report = world.north.gateway.import_fhir([("planted.json", bundle)])
    patient = next(one for one in world.north.gateway.patients() if MARKERS[0] in one.name)
    given = world.give(patient.handle, EVERYTHING)
    chart = world.south.gateway.open_chart(given.grant, "TREAT")
    shown = b"".join(record.body for record in chart.records)
    broken = bundle.replace(b'"gender"', b'"gandar"', 1)
    refused = world.north.gateway.import_fhir([("planted-broken.json", broken)])
    assert world.north.gateway.who_saw(patient.handle).lines
    for member in world.network:
        assert [] == member.gateway.housekeeping.round()
        assert [] == member.gateway.housekeeping.tend()
    world.network.close()
    said = "".join(capfd.readouterr())

    assert not report.refused
    assert not any(marker in said for marker in MARKERS)
    assert 1 == len(refused.refused)
    assert all(marker.encode() in shown for marker in MARKERS)
    assert [] == [str(path) for path in _files(world) if _holds_marker(path)]
    world.network.start()


def test_the_search_would_find_a_marker(tmp_path: Path) -> None:
    """The control: a marker in a file, plain or in base64, is found."""
    plain, coded = tmp_path / "plain", tmp_path / "coded"
    plain.write_bytes(b"\x00" + MARKERS[0].encode())
    coded.write_bytes(base64.b64encode(b"xx" + MARKERS[1].encode()))

    assert _holds_marker(plain)
    assert _holds_marker(coded)


def _planted() -> bytes:
    """A sample bundle whose patient carries the markers."""
    _, data = next(samples.bundles(1))
    bundle = json.loads(data)
    patient_id = bundle["entry"][0]["resource"]["id"]
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource["name"][0]["family"] = MARKERS[0]
            resource["identifier"].append({"system": "urn:planted", "value": MARKERS[1]})
            resource["address"][0]["line"] = [MARKERS[3]]
        if resource["resourceType"] == "Condition":
            resource["code"]["text"] = MARKERS[2]
    # Another person than the sample's own: every reference to the patient goes along.
    return json.dumps(bundle).replace(patient_id, patient_id[::-1]).encode()


def _files(world: World) -> list[Path]:
    return [
        path
        for member in CAST
        for path in world.network.home(member.name).rglob("*")
        if path.is_file()
    ]


def _holds_marker(path: Path) -> bool:
    data = path.read_bytes()
    return any(form in data for marker in MARKERS for form in _forms(marker))


def _forms(marker: str) -> list[bytes]:
    """How a marker may stand in a file: text of several codings, hex, base64 at each offset."""
    plain = marker.encode()
    shifted = [base64.b64encode(bytes(pad) + plain)[4 * (pad > 0) : -4] for pad in range(3)]
    return [plain, marker.encode("utf-16-le"), plain.hex().encode(), *(s[2:-2] for s in shifted)]
