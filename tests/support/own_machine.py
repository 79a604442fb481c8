"""
Members as their operators run them: each in a folder of its own, by commands and carried files.

Nodes are processes; commands run in the test's own, which spares the interpreter's start. Nothing
here reads another member's folder; `carry` is the person with the memory stick.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.unit.doors.cli.shell import Said, run

PROGRAM = "from salus.doors.cli.main import main; main()"
WAIT_S = 120.0

PORTS = 3
"""API, peer door and CometBFT of a member."""


class OwnMachine:
    """One member's folder, its configuration `NAME.toml`, and the process that may run."""

    def __init__(self, root: Path, name: str, first_port: int, passphrase: str = "") -> None:
        """`first_port`: of three free ones; `passphrase`: of its keys, none means a demo's."""
        self.name = name
        self.folder = root / name
        self.folder.mkdir()
        self.config = self.folder / f"{name}.toml"
        self.api, self.peer, self.comet = range(first_port, first_port + PORTS)
        self.log = self.folder / "log"
        self._passphrase = passphrase
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.api}"

    @property
    def contribution(self) -> Path:
        """What it hands to the others."""
        return self.config.with_suffix(".salus-member")

    @property
    def signer(self) -> str:
        """Its transaction key's file."""
        return str(self.folder / "keys" / self.name / "transaction.key")

    def contribute(self) -> Any:
        """Make keys, configuration and contribution; what the command says."""
        words = [
            "network", "contribute", str(self.config), "--title", self.name.title(), "--json",
            "--peer-url", f"https://127.0.0.1:{self.peer}",
            "--node", f"127.0.0.1:{self.comet}", "--port", str(self.api),
        ]  # fmt: skip
        return self.opens(*words, *([] if self._passphrase else ["--demo"]))

    def opens(self, *words: str) -> Any:
        """A command that opens the member's keys, and must end well; its data."""
        with self._secret() as (_, typed):
            return data_of(run(*words, *typed))

    def acts(self, *words: str) -> Any:
        """A command that the member signs and its own node takes."""
        return self.opens(*words, "--signer", self.signer, "--url", self.url, "--json")

    def start(self, prelude: str = "", *options: str) -> None:
        """Run the node; `prelude`: Python before the program, for one that differs."""
        with self._secret() as (file, typed), self.log.open("ab") as log:
            words = ["node", "run", self.config.name, *typed, *options]
            self.process = subprocess.Popen(
                [sys.executable, "-c", prelude + PROGRAM, *words],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=file,
            )

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end()

    def wait_end(self) -> int:
        """Wait until the process ends; the exit code."""
        assert self.process is not None
        code = self.process.wait(WAIT_S)
        self.process = None
        return code

    def kill(self) -> None:
        """End whatever of it runs, CometBFT too."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def get(self, path: str) -> Any:
        """JSON of a public route."""
        return httpx.get(self.url + path, timeout=30).raise_for_status().json()

    def operate(self, method: str, path: str, **rest: Any) -> Any:
        """One of the member's operator routes."""
        token = (self.folder / "keys" / self.name / "operator.token").read_text()
        answer = httpx.request(
            method,
            f"{self.url}/{self.name}/gateway/v1{path}",
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
            **rest,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def standing(self) -> Any:
        """The member's line of `salus network status` in its own folder."""
        said = run("network", "status", "--data", str(self.folder), "--json")
        return said.json["members"][0] if said.out else {}

    def said(self) -> str:
        """The end of the log."""
        return self.log.read_text()[-4_000:]

    @contextmanager
    def _secret(self) -> Iterator[tuple[tuple[int, ...], list[str]]]:
        """A descriptor that gives the passphrase, and the option that names it."""
        if not self._passphrase:
            yield (), []
            return
        read, write = os.pipe()
        os.write(write, self._passphrase.encode() + b"\n")
        os.close(write)
        try:
            yield (read,), ["--passphrase-fd", str(read)]
        finally:
            os.close(read)


def data_of(said: Said) -> Any:
    """A command's data; it must have ended well."""
    assert said.code == 0, said.err
    return said.json if said.out else None


def carry(what: Path, to: OwnMachine) -> Path:
    """A file brought to another member's machine by hand."""
    target = to.folder / what.name
    target.write_bytes(what.read_bytes())
    return target


def wait_level(members: Sequence[OwnMachine]) -> int:
    """Wait until all have the newest block of any of them, with one app hash; their height."""
    newest = max(_height(one) for one in members)
    wait_for(
        lambda: all(_height(one) >= max(newest, 1) for one in members),
        lambda: "\n".join(f"{one.name} at {_height(one)}: {one.said()}" for one in members),
    )
    height = min(_height(one) for one in members)
    hashes = {one.get(f"/v1/blocks/{height}")["app_hash"] for one in members}
    assert len(hashes) == 1, hashes
    return height


def wait_for(holds: Callable[[], bool], words: Callable[[], str] = str) -> None:
    """Wait for other processes; `words`: what to show if it never holds."""
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s, words()
        time.sleep(0.2)


def _height(one: OwnMachine) -> int:
    """Of the member's copy; -1 while it does not answer."""
    try:
        return int(one.get("/v1/status")["height"])
    except httpx.HTTPError:
        return -1
