"""
Four members on CometBFT by one command, each its own processes: the tour's ledger goes on in them.

One is killed, one is cut off and comes back with another history, one rebuilds its ledger: no
record, no grant and no receipt is lost.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from salus.doors.demo import samples
from tests.support.live import LIVE
from tests.support.live_network import PROGRAM, Network, wait_for

pytestmark = LIVE

LIAR = """
from salus.machine import block
honest = block.app_hash
block.app_hash = lambda *parts: bytes(reversed(honest(*parts)))
"""
"""A member whose program has another rule: its blocks are the same, its app hash is not."""

PATIENTS = 2


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """After the tour."""
    made = Network(tmp_path_factory.mktemp("network"))
    ran = made.salus("demo", "--network", "--patients", "1")
    assert 0 == ran.returncode, ran.stderr.decode()
    return made


def grant(network: Network) -> str:
    """All of the first patient's labs to South."""
    patients = network.operate("north", "GET", "/patients")["patients"]
    body = {
        "patient": patients[0]["handle"],
        "to": network.get("south", "/v1/status")["member"],
        "compartments": ["labs"],
        "for_hours": 24,
    }
    return str(network.operate("north", "POST", "/grants", json=body)["grant"])


def opened(network: Network, given: str) -> list[Any]:
    """The records South opens."""
    records: list[Any] = network.operate("south", "GET", f"/charts/{given}")["records"]
    return sorted(records, key=str)


def test_the_tour_s_network_runs_as_processes_and_one_killed_stops_nothing(
    network: Network,
) -> None:
    """A bundle more, a grant, its chart; one member killed whole; the chart again; all level."""
    with network.up():
        (name, data) = list(samples.bundles(PATIENTS))[-1]
        told = network.operate("north", "POST", "/import/fhir", files=[("documents", (name, data))])
        assert [] == told["refused"]
        assert PATIENTS == len(network.operate("north", "GET", "/patients")["patients"])
        given = grant(network)
        before = opened(network, given)
        assert before

        os.killpg(network.pid("lab"), signal.SIGKILL)
        assert before == opened(network, given)
        assert before == opened(network, grant(network))
        wait_for(network.is_well)
        assert "lab ended (killed by signal 9), starts again in 1 s" in network.log.read_text()


def test_another_history_is_found_and_mended(network: Network) -> None:
    """Named with its height, stopped nowhere else; a ledger taken anew is level with the others."""
    with network.up():
        given = grant(network)
        before = opened(network, given)
        height = network.height()
        os.kill(network.pid("lab"), signal.SIGTERM)
        wait_for(lambda: "lab was stopped and stays so" in network.log.read_text())
        with lying(network):
            grant(network)
            wait_for(lambda: network.status()[0] == 65)
            _, told = network.status()
            (difference,) = told["differences"]
            assert "lab" == difference["name"]
            assert height < difference["height"] <= network.height()
            wait_for(lambda: "lab's app hash differs" in network.log.read_text())
            # It met a block that contradicts its state, and says so itself.
            wait_for(lambda: "engine.halted" in (network.folder / "liar.log").read_text())
        assert before == opened(network, given)

    assert 0 == network.salus("network", "rejoin", "lab").returncode
    with network.up():
        assert before == opened(network, given)
        assert 0 == network.salus("network", "status").returncode
    assert b"nothing runs" in network.salus("network", "down").stderr


@contextmanager
def lying(network: Network) -> Iterator[None]:
    """The laboratory, run by a program with another rule."""
    words = [sys.executable, "-c", LIAR + PROGRAM, "node", "run", str(network.folder / "lab.toml")]
    with (network.folder / "liar.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()
