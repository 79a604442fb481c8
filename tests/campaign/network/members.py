"""
Four members of a live network, each its own two processes, started and ended one by one.

    with Members(Network(folder)) as members:        laid out, started, all level
        members.kill("lab", Part.COMET)
        members.pause("lab"); members.resume("lab")

Nobody supervises them: what is killed stays down until `start`, but a node starts its CometBFT
again by itself. All that was started here ends with the `with`.
"""

import contextlib
import enum
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from salus.node.comet import program
from salus.node.settings import Place
from tests.support.live_network import NAMES, PROGRAM, Network, wait_for

START_S = 120.0
"""A loaded machine's: four Python processes start at once."""

STOP_S = 60.0
LOOK_S = 0.1
ANSWER_S = 5.0


class Part(enum.Enum):
    """Which of a member's processes is meant."""

    NODE = "node"
    """Salus; its CometBFT ends by itself when the socket breaks."""

    COMET = "CometBFT"
    """The node starts it again."""

    BOTH = "both"


class Members:
    """Laid out by the constructor, started by entering."""

    def __init__(self, network: Network, prefixes: dict[str, Sequence[str]] | None = None) -> None:
        """`prefixes`: words before a member's command, as `ip netns exec NAME`."""
        self.network = network
        self.folder = network.folder
        self._prefixes = prefixes or {}
        self.preludes: dict[str, str] = {}
        """Python run before a member's program begins, by name; takes effect at its next start."""

        network.lay_out()
        self.places: dict[str, Place] = network.places()
        self._environment = {**os.environ, "SALUS_COMETBFT": str(program.find_or_build())}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._left: list[int] = []
        """Sessions whose node alone was killed."""

        self._http = httpx.Client(timeout=ANSWER_S)

    def __enter__(self) -> Self:
        """All four, level with one another."""
        try:
            self.start(*NAMES)
            self.wait_level()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what runs: a fault's folder is looked at as it is."""
        self.close()

    def start(self, *names: str) -> None:
        """Start members that do not run; returns at once."""
        for name in names:
            code = self.preludes.get(name, "") + PROGRAM
            command = [sys.executable, "-c", code, "node", "run", str(self.config(name))]
            with self.log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [*self._prefixes.get(name, ()), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                )

    def stop(self, *names: str) -> list[int]:
        """SIGTERM to each, and wait; their exit codes."""
        processes = [self._running.pop(name) for name in names]
        for process in processes:
            process.terminate()
        return [process.wait(STOP_S) for process in processes]

    def kill(self, name: str, part: Part) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        process = self._running[name]
        if part is Part.COMET:
            for comet in self.comets(name):
                _signal(comet, signal.SIGKILL)
            return
        if part is Part.BOTH:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
            self._left.append(process.pid)
        process.wait()
        del self._running[name]

    def kill_all(self) -> None:
        """Every process of every member at once."""
        for name in list(self._running):
            os.killpg(self._running[name].pid, signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def pause(self, name: str, part: Part = Part.BOTH) -> None:
        """SIGSTOP: it holds its sockets and answers nothing."""
        for pid in self._pids(name, part):
            _signal(pid, signal.SIGSTOP)

    def resume(self, name: str, part: Part = Part.BOTH) -> None:
        """SIGCONT."""
        for pid in self._pids(name, part):
            _signal(pid, signal.SIGCONT)

    def close(self) -> None:
        """End everything, what outlived its node too."""
        self.kill_all()
        for leader in self._left:
            for pid in _session(leader):
                _signal(pid, signal.SIGKILL)
        self._http.close()

    def running(self) -> list[str]:
        """Members whose node was started and not ended here."""
        return list(self._running)

    def exit_code(self, name: str) -> int | None:
        """Of a member that ended by itself; None while it runs. It is forgotten once told."""
        code = self._running[name].poll()
        if code is not None:
            del self._running[name]
        return code

    def answers(self, name: str) -> bool:
        """Whether its API says that it is ready."""
        try:
            return self._http.get(self.network.url(name) + "/health/ready").is_success
        except httpx.TransportError:
            return False

    def status(self, name: str) -> dict[str, Any] | None:
        """`/v1/status`; None: it does not answer."""
        try:
            answer = self._http.get(self.network.url(name) + "/v1/status")
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    def height(self, name: str) -> int:
        """Of its ledger; 0 if it does not answer."""
        status = self.status(name)
        return 0 if status is None else int(status["height"])

    def heights(self, names: Iterable[str]) -> dict[str, int]:
        """Of several."""
        return {name: self.height(name) for name in names}

    def wait_ready(self, *names: str, seconds: float = START_S) -> float:
        """Until their APIs answer; the seconds that took."""
        began_s = time.monotonic()
        for name in names:
            while not self.answers(name):
                assert self._running[name].poll() is None, self.last_words(name)
                assert time.monotonic() < began_s + seconds, f"{name} does not answer"
                time.sleep(LOOK_S)
        return time.monotonic() - began_s

    def wait_above(self, height: int, names: Iterable[str], seconds: float) -> float:
        """Until each stands above a height; the seconds that took."""
        began_s = time.monotonic()
        for name in names:
            while self.height(name) <= height:
                took_s = time.monotonic() - began_s
                assert took_s < seconds, f"{name} is not above {height} after {took_s:.0f} s"
                time.sleep(LOOK_S)
        return time.monotonic() - began_s

    def wait_level(self, seconds: float = START_S) -> None:
        """Until all that run have been at one height or above it: nobody lags."""
        names = self.running()
        self.wait_ready(*names, seconds=seconds)
        height = max(self.heights(names).values())
        wait_for(lambda: min(self.heights(names).values()) >= max(height, 1), seconds)

    def comets(self, name: str) -> list[int]:
        """Process ids of its CometBFT: one, or none while it is between two lives."""
        return [pid for pid in _session(self._running[name].pid) if _is_comet(pid)]

    def config(self, name: str) -> Path:
        """Its configuration file."""
        return self.folder / f"{name}.toml"

    def log(self, name: str) -> Path:
        """What it said."""
        return self.folder / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The end of its log."""
        return self.log(name).read_text()[-2_000:]

    def _pids(self, name: str, part: Part) -> list[int]:
        node, comets = self._running[name].pid, self.comets(name)
        return {Part.NODE: [node], Part.COMET: comets, Part.BOTH: [node, *comets]}[part]


def _session(leader: int) -> list[int]:
    """The living processes of a session that was started here."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            # State, parent, group, session: proc_pid_stat(5), fields 3 to 6.
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _is_comet(pid: int) -> bool:
    """By its program's name, of which the kernel keeps 15 characters."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("cometbft")
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
