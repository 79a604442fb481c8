"""
The CometBFT process: started, watched, started again when it ends, stopped.

It ends by itself when the App's socket breaks, so a node that is killed takes its CometBFT along.
"""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

from salus.node.comet.home import CometHome

log = structlog.get_logger()

RETRY_S = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Pauses before the first, second, … start after an end; the last one from then on."""

STEADY_S = 60.0
"""Who has run so long begins with the first pause again."""

STOP_S = 10.0
"""How long a stop waits before it kills."""

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log larger than this is set aside at the next start; one older log is kept."""


class CometProcess:
    """Runs from its constructor until `close`."""

    def __init__(self, program: Path, home: CometHome, started: Callable[[], None]) -> None:
        """`started`: called after each start but the first: its mempool is empty again."""
        self._program = program
        self._home = home
        self._started = started
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        """A start and a stop do not overlap: what is started late would be stopped by nobody."""

        self._process = self._start()
        self._watching = threading.Thread(target=self._watch, name="comet-watch", daemon=True)
        self._watching.start()

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._process.pid

    def close(self) -> None:
        """Stop it and watch no more."""
        with self._turn:
            self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._watching.join()

    def _start(self) -> subprocess.Popen[bytes]:
        # One that was killed leaves its socket, and the next could not bind it.
        self._home.rpc_socket.unlink(missing_ok=True)
        with _log_file(self._home.folder / "cometbft.log") as output:
            return subprocess.Popen(  # noqa: S603 (the program that `program.find_or_build` checked)
                [self._program, "start", "--home", self._home.folder],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _watch(self) -> None:
        failures = 0
        while True:
            try:
                code = self._process.wait(STEADY_S)
            except subprocess.TimeoutExpired:
                failures = 0
                continue
            if self._stopping.is_set():
                return
            pause_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
            failures += 1
            log.error("comet.ended", code=code, again_in_s=pause_s, log="cometbft.log")
            self._stopping.wait(pause_s)
            with self._turn:
                if self._stopping.is_set():
                    return
                self._process = self._start()
            self._started()


def _log_file(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.old"))
    return path.open("ab")
