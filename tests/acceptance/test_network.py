"""
Four members on CometBFT by one command, each its own processes: the tour's ledger goes on in them.

One is killed, one is cut off and comes back with another history, one rebuilds its ledger: no
record, no grant and no receipt is lost.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from salus.doors.demo import samples
from tests.conformance.abci.test_real_program import needs_program
from tests.support.port_row import free_row

pytestmark = [pytest.mark.slow, needs_program]

PROGRAM = "from salus.doors.cli.main import main; main()"

LIAR = """
from salus.machine import block
honest = block.app_hash
block.app_hash = lambda *parts: bytes(reversed(honest(*parts)))
"""
"""A member whose program has another rule: its blocks are the same, its app hash is not."""

NAMES = ("north", "south", "lab", "insurer")
PATIENTS = 2
WAIT_S = 120.0


class Network:
    """A folder that `salus demo --network` filled, and the processes that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first_port = free_row(3 * len(NAMES))
        self.log = folder / "up.log"

    def salus(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", PROGRAM, *words, "--data", str(self.folder)]
        return subprocess.run(command, capture_output=True, timeout=120, check=False)

    @contextmanager
    def up(self) -> Iterator[None]:
        """`salus network up`, until all vote; ends all at the end."""
        words = ["network", "up", "--data", str(self.folder), "--port", str(self.first_port)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *words], stdout=log, stderr=log
            )
        try:
            wait_for(self.is_well)
            yield
        finally:
            process.terminate()
            assert 0 == process.wait(WAIT_S), self.log.read_text()

    def status(self) -> tuple[int, dict[str, Any]]:
        """Exit code, and what it says; nothing before the folder is laid out."""
        ran = self.salus("network", "status", "--json")
        return ran.returncode, msgspec.json.decode(ran.stdout or b"{}")

    def is_well(self) -> bool:
        """All four answer, vote, and stand at one height with one app hash."""
        code, told = self.status()
        members = told.get("members", [])
        stand = {(one.get("height"), one.get("app_hash"), one.get("voting")) for one in members}
        return code == 0 and len(stand) == 1 and "yes" in stand.pop()

    def height(self) -> int:
        """Of the first member's ledger."""
        return int(self.get("north", "/v1/status")["height"])

    def get(self, name: str, path: str) -> Any:
        return httpx.get(self.url(name) + path, timeout=30).raise_for_status().json()

    def operate(self, name: str, method: str, path: str, **rest: Any) -> Any:
        """One of a member's operator routes."""
        token = (self.folder / "keys" / name / "operator.token").read_text()
        answer = httpx.request(
            method,
            f"{self.url(name)}/{name}/gateway/v1{path}",
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
            **rest,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.first_port + NAMES.index(name)}"

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """After the tour."""
    made = Network(tmp_path_factory.mktemp("network"))
    ran = made.salus("demo", "--network", "--patients", "1")
    assert 0 == ran.returncode, ran.stderr.decode()
    return made


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait for other processes."""
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.2)


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
