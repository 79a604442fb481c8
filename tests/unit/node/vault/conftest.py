"""A network with one patient and one committed batch of two days in two compartments."""

from collections.abc import Iterator

import pytest

from salus.client.seal import Sealed
from tests.support.network import DAY, Network, make_network
from tests.support.parts import Patient


class Held:
    """What the tests of the vault start from."""

    def __init__(self, network: Network) -> None:
        """Make it with a patient of its own."""
        network.clock.time_ms = network.ledger.tip.time_ms
        self.network = network
        self.patient: Patient = network.patient()
        self.sealed: Sealed = network.seal(self.patient, [DAY, DAY - 1])
        network.store(self.sealed)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all tests of a file."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def held(network: Network) -> Iterator[Held]:
    """The start; whatever the test lost or damaged is repaired at the end."""
    made = Held(network)
    yield made
    for number in range(len(network.members)):
        objects = network.node(number).vault._holdings.objects
        if objects.get(made.sealed.batch.hex()) != made.sealed.container:
            objects.put(made.sealed.batch.hex(), made.sealed.container)
            network.reopen(number)
