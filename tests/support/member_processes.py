"""
Four members as four processes, each started from a folder of its own by `salus node run`.

Only the ordering member is told to begin a ledger.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from salus.doors.demo.network import CAST, DemoNetwork
from salus.doors.member.layout import Seat, lay_out

PROGRAM = "from salus.doors.cli.main import main; main()"
START_S = 60.0
LOOK_S = 0.1


@dataclass
class MemberProcesses:
    """A network of processes in a folder; `snapshot_blocks` as every member has it."""

    folder: Path
    snapshot_blocks: int = 10_000
    ports: dict[str, tuple[int, int]] = field(default_factory=dict)
    """API and peer door, by name."""

    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = DemoNetwork(self.folder)
        self.ports = dict(zip(self.names, free_ports(len(CAST)), strict=True))
        seats = [Seat(name, *self.ports[name]) for name in self.names]
        lay_out(
            self.folder,
            seats,
            f"segment_bytes = {2**20}\nverify_workers = 0\n"
            f"snapshot_blocks = {self.snapshot_blocks}",
        )

    @property
    def names(self) -> list[str]:
        return [cast.name for cast in CAST]

    def config(self, name: str) -> Path:
        return self.folder / f"{name}.toml"

    def home(self, name: str) -> Path:
        return self.folder / name

    def member(self, name: str) -> bytes:
        return self.plan.keys[name].member

    def start(self, name: str, *options: str) -> None:
        """Start a member; `wait_ready` tells when its API answers."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "node", "run", self.config(name), *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, *names: str) -> None:
        end_s = time.monotonic() + START_S
        for name in names:
            while not self._answers(name):
                assert self.running[name].poll() is None, self.log(name)
                assert time.monotonic() < end_s, f"{name} did not start\n{self.log(name)}"
                time.sleep(LOOK_S)

    def kill(self, name: str) -> None:
        """SIGKILL: no clean-up."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)

    def wait_end(self, name: str) -> int:
        """Wait until a member ends by itself; the exit code."""
        return self.running.pop(name).wait(START_S)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of `salus`, to its end."""
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    def get(self, name: str, path: str) -> Any:
        answer = httpx.get(f"http://127.0.0.1:{self.ports[name][0]}{path}", timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def operate(self, name: str, method: str, path: str, **rest: Any) -> httpx.Response:
        """A call to a member's operator routes."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.ports[name][0]}/{name}/gateway/v1{path}",
            headers={"authorization": f"Bearer {self.plan.token(name)}"},
            timeout=120,
            **rest,
        )

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name, "/v1/status")
        return found

    def wait_same(self, *names: str) -> dict[str, Any]:
        """Wait until members stand at one height with one app hash; the first one's status."""
        end_s = time.monotonic() + START_S
        while True:
            found = [self.status(name) for name in names]
            if len({(one["height"], one["app_hash"]) for one in found}) == 1:
                return found[0]
            assert time.monotonic() < end_s, found
            time.sleep(LOOK_S)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3_000:]

    def _answers(self, name: str) -> bool:
        try:
            return self.get(name, "/health/ready") is not None
        except (httpx.TransportError, AssertionError):
            return False


@contextmanager
def member_processes(folder: Path, **options: Any) -> Iterator[MemberProcesses]:
    """A network none of whose processes outlives the test."""
    network = MemberProcesses(folder, **options)
    try:
        yield network
    finally:
        for process in network.running.values():
            process.kill()
            process.wait()


def free_ports(pairs: int) -> list[tuple[int, int]]:
    """Pairs of ports that nobody listens on at this moment."""
    lines = [socket.socket() for _ in range(2 * pairs)]
    try:
        for line in lines:
            line.bind(("127.0.0.1", 0))
        found = [line.getsockname()[1] for line in lines]
    finally:
        for line in lines:
            line.close()
    return list(zip(found[::2], found[1::2], strict=True))
