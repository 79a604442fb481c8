"""One network served over HTTP by `salus up`, as a user has it, for all tests here."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.doors.cli.shell import Shell

START_S = 30.0
PROGRAM = "from salus.doors.cli.main import main; main()"


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell beside a running network."""
    data = tmp_path_factory.mktemp("up") / "demo"
    port = _free_port()
    arguments = ["up", "--data", str(data), "--port", str(port)]
    with (data.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=log, stderr=log
        )
    try:
        _wait(f"http://localhost:{port}/health/ready", data.parent / "log")
        yield Shell(f"http://localhost:{port}", data)
    finally:
        process.terminate()
        assert 0 == process.wait(30)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
