"""
A network of real processes in a folder: each member `salus node run` and a CometBFT under it.

    network = Network(folder)
    network.lay_out()            or `network.salus("demo", "--network", …)`: after the tour
    with network.up(): …         all four under `salus network up`, which starts them again

`tests/campaign/network/members.py` starts, stops and kills the same members one by one.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.doors.network.layout import lay_out_network, read_network
from salus.node.settings import Place
from tests.support.port_row import free_row

PROGRAM = "from salus.doors.cli.main import main; main()"

NAMES = ("north", "south", "lab", "insurer")
WAIT_S = 120.0
COMMAND_S = 120.0


class Network:
    """Four members' folder, ports and doors; nothing runs before `up`."""

    def __init__(self, folder: Path) -> None:
        """`folder`: `salus demo --network` may have filled it, or `lay_out` will."""
        self.folder = folder
        self.first_port = free_row(3 * len(NAMES))
        self.log = folder / "up.log"
        self.hosts = dict.fromkeys(NAMES, "127.0.0.1")
        """Where the APIs are reached."""

    def lay_out(self) -> list[Place]:
        """Write keys, genesis and configurations; what is there stays."""
        return lay_out_network(self.folder, len(NAMES), self.first_port)

    def places(self) -> dict[str, Place]:
        """Each member's configuration, by name."""
        return {one.settings.member.name: one for one in read_network(self.folder)}

    def salus(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """A command on the folder, to its end."""
        command = [sys.executable, "-c", PROGRAM, *words, "--data", str(self.folder)]
        return subprocess.run(command, capture_output=True, timeout=COMMAND_S, check=False)

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
            assert process.wait(WAIT_S) == 0, self.log.read_text()

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
        """JSON of a member's public route."""
        return httpx.get(self.url(name) + path, timeout=30).raise_for_status().json()

    def operate(self, name: str, method: str, path: str, **rest: Any) -> Any:
        """One of a member's operator routes."""
        token = (self.folder / "keys" / name / "operator.token").read_text()
        rest.setdefault("timeout", 60)
        answer = httpx.request(
            method,
            f"{self.url(name)}/{name}/gateway/v1{path}",
            headers={"authorization": f"Bearer {token}"},
            **rest,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def url(self, name: str) -> str:
        """Where a member's API is."""
        return f"http://{self.hosts[name]}:{self.first_port + NAMES.index(name)}"

    def pid(self, name: str) -> int:
        """Of a member's process, also its process group's number; under `up`."""
        return int((self.folder / f"{name}.pid").read_text())


def wait_for(holds: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Wait for other processes; AssertionError if it takes longer."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, f"it did not come true within {seconds:.0f} s"
        time.sleep(0.2)
