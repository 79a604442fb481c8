"""Patients imported at one member of a live network, and their records opened at another."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.client.wallet import Compartment
from salus.doors.demo import samples
from salus.formats.fhir.bundle import read_bundle
from salus.formats.fhir.placement import ordinary_compartment
from tests.campaign.network.members import Members

Share = Sequence[tuple[str, bytes]]
"""Documents by name."""

Records = Counter[tuple[str, str | None]]
"""Type and id of each."""

HOME, READER = "north", "south"
IMPORT_S = 900.0
HOURS = 24


@dataclass(frozen=True)
class Imported:
    """What an import took."""

    records: int
    seconds: float

    @property
    def records_a_second(self) -> float:
        """Sealed, stored at the members and committed."""
        return self.records / self.seconds

    def __str__(self) -> str:
        """For a summary."""
        return f"{self.records} records, {self.records_a_second:.0f} a second"


def sample_shares(patients: int) -> tuple[Share, Share]:
    """Two shares of the samples, as equal in bytes as can be; an even number of patients."""
    bundles = sorted(samples.bundles(patients), key=lambda one: len(one[1]))
    left = [one for at, one in enumerate(bundles) if at % 4 in (0, 3)]
    return left, [one for one in bundles if one not in left]


def import_shares(members: Members, share: Share) -> Imported:
    """Import the documents of a share at once; raises AssertionError if one is refused."""
    files = [("documents", document) for document in share]
    began_s = time.monotonic()
    told = members.network.operate(HOME, "POST", "/import/fhir", files=files, timeout=IMPORT_S)
    assert told["refused"] == [], told["refused"]
    return Imported(told["records"], time.monotonic() - began_s)


def clinical(share: Share) -> Records:
    """What a chart must show of these documents: all but directory data, which is no patient's."""
    return Counter(
        (one.type, one.id)
        for _, data in share
        for one in read_bundle(data).resources
        if ordinary_compartment(one.value) is not None
    )


def open_all(members: Members) -> Records:
    """Grant the reader everything of every patient and open it; what was shown."""
    network = members.network
    reader = network.get(READER, "/v1/status")["member"]
    network.operate(READER, "POST", "/practitioners", json={"name": "Dr A. Ivers"})
    everything = [one.name.lower() for one in Compartment]
    shown: Records = Counter()
    for patient in network.operate(HOME, "GET", "/patients")["patients"]:
        body = {
            "patient": patient["handle"],
            "to": reader,
            "compartments": everything,
            "for_hours": HOURS,
        }
        given = network.operate(HOME, "POST", "/grants", json=body)["grant"]
        chart: dict[str, Any] = network.operate(READER, "GET", f"/charts/{given}", timeout=IMPORT_S)
        assert chart["complete"], f"not opened: {chart['unopened'][:3]}"
        shown.update((one["type"], one["id"]) for one in chart["records"])
    return shown
