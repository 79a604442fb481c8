"""A network of four members in this process, as the demo runs it, and a clock tests move."""

from dataclasses import dataclass
from pathlib import Path

from salus.doors.demo import samples
from salus.doors.demo.network import DemoNetwork, Member
from salus.gateway.grants import Given, GrantAsked
from salus.gateway.keyring import Patient

SEGMENT_BYTES = 1024 * 1024
HOUR_MS = 3_600_000
EVERYTHING = tuple(range(16))


class ShiftedClock:
    """A clock that a test moves; both hands go together, so it is no step."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def forward(self, ms: int) -> None:
        self._now_ms += ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000


@dataclass
class World:
    """A running network, and what the tests need of it."""

    network: DemoNetwork
    clock: ShiftedClock

    @property
    def north(self) -> Member:
        return self.network["north"]

    @property
    def south(self) -> Member:
        return self.network["south"]

    def patient(self) -> Patient:
        return min(self.north.gateway.patients(), key=lambda one: one.source)

    def give(self, patient: bytes, compartments: tuple[int, ...], hours: int = 24) -> Given:
        """A grant from a patient of North to South."""
        return self.north.gateway.grant(
            GrantAsked(
                patient=patient,
                to=self.south.id,
                compartments=compartments,
                purposes=("TREAT",),
                until_ms=self.clock.now_ms() + hours * HOUR_MS,
            )
        )


def make_world(folder: Path, patients: int) -> World:
    """Start four members and import some sample patients at North."""
    clock = ShiftedClock(1_790_000_000_000)
    network = DemoNetwork(folder, clock=clock, segment_bytes=SEGMENT_BYTES)
    network.start()
    world = World(network, clock)
    world.south.gateway.staff.register("Dr A. Ivers")
    report = world.north.gateway.import_fhir(samples.bundles(patients))
    assert not report.refused
    return world
