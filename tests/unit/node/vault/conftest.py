"""A network with one patient and one committed batch of two days in two compartments."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.client.seal import Sealed
from tests.support.network import DAY, Network, Patient, make_network


class Held:
    """What the tests of the vault start from."""

    def __init__(self, folder: Path) -> None:
        """Make it on a fresh network."""
        self.network: Network = make_network(folder)
        self.patient: Patient = self.network.patient()
        self.sealed: Sealed = self.network.seal(self.patient, [DAY, DAY - 1])
        self.network.store(self.sealed)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    """The start, closed at the end."""
    made = Held(tmp_path)
    yield made
    made.network.close()
