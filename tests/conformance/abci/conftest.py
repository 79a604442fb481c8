"""One App over a real ledger and one CometBFT played by the driver."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.driver import AppHost, CometSide

Hosts = Callable[[str], AppHost]


@pytest.fixture
def chain() -> NetworkChain:
    """Four members, all validators."""
    return NetworkChain()


@pytest.fixture
def hosts(tmp_path: Path, chain: NetworkChain) -> Iterator[Hosts]:
    """Starts an App in the folder of this name; all are closed at the end."""
    started: list[AppHost] = []

    def start(name: str) -> AppHost:
        started.append(AppHost(tmp_path / name, chain))
        return started[-1]

    yield start
    for host in started:
        host.close()


@pytest.fixture
def comet(chain: NetworkChain, hosts: Hosts) -> Iterator[CometSide]:
    """Connected to a new App, after the handshake."""
    side = CometSide(chain)
    side.connect(hosts("app"))
    side.handshake()
    yield side
    side.disconnect()
