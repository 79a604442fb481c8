"""
The CometBFT process: started, watched, started again when it ends, stopped.

It ends by itself when the App's socket breaks, so a node that is killed takes its CometBFT along;
one that hangs in that is ended by the next start.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

from salus.base.errors import Problem
from salus.node.comet.home import CometHome
from salus.node.comet.leftover import end_leftover
from salus.node.listening import check_free

log = structlog.get_logger()

RETRY_S = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Pauses before the first, second, … start after an end; the last one from then on."""

STEADY_S = 60.0
"""Who has run so long begins with the first pause again."""

FREE_S = 3.0
"""How long a port may take to get free."""

LOOK_S = 0.05

STOP_S = 10.0
"""How long a stop waits before it kills."""

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log larger than this is set aside at the next start; one older log is kept."""


class CometProcess:
    """Runs from its constructor until `close`."""

    def __init__(self, program: Path, home: CometHome, started: Callable[[], None]) -> None:
        """
        Start it.

        `started`: called after each start but the first: its mempool is empty again. Raises Problem
        CometRuns, PortInUse.
        """
        self._program = program
        self._home = home
        self._started = started
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        """A start and a stop do not overlap: what is started late would be stopped by nobody."""

        end_leftover(home.folder)
        _await_free(home.listen)
        self._process = self._start()
        self._watching = threading.Thread(target=self._watch, name="comet-watch", daemon=True)
        self._watching.start()

    @property
    def log(self) -> Path:
        """What it writes."""
        return self._home.folder / "cometbft.log"

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._process.pid

    def restart(self, between: Callable[[], None]) -> None:
        """Stop it, do something while it does not run, start it again."""
        with self._turn:
            if self._stopping.is_set():
                return
            self._stop()
            between()
            self._process = self._start()
        self._started()

    def close(self) -> None:
        """Stop it and watch no more."""
        with self._turn:
            self._stopping.set()
        self._stop()
        self._watching.join()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # One that was killed leaves its socket, and the next could not bind it.
        self._home.rpc_socket.unlink(missing_ok=True)
        with _log_file(self.log) as output:
            return subprocess.Popen(  # noqa: S603 (the program that `program.find_or_build` checked)
                [self._program, "start", "--home", self._home.folder],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # It puts the chunks of a snapshot there, whatever its `temp_dir` says.
                env={**os.environ, "TMPDIR": str(self._home.temporary)},
            )

    def _watch(self) -> None:
        failures = 0
        while True:
            process = self._process
            try:
                code = process.wait(STEADY_S)
            except subprocess.TimeoutExpired:
                failures = 0
                continue
            with self._turn:
                if self._stopping.is_set():
                    return
                if self._process is not process:
                    continue
            pause_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
            failures += 1
            log.error("comet.ended", code=code, again_in_s=pause_s, log="cometbft.log")
            self._stopping.wait(pause_s)
            with self._turn:
                if self._stopping.is_set():
                    return
                if self._process is not process:
                    continue
                self._process = self._start()
            self._started()


def _await_free(listen: str) -> None:
    """Raise Problem PortInUse unless the port gets free: one just killed closes its own late."""
    host, _, port = listen.rpartition(":")
    end_s = time.monotonic() + FREE_S
    while True:
        try:
            check_free(host, int(port))
        except Problem:
            if time.monotonic() > end_s:
                raise
            time.sleep(LOOK_S)
        else:
            return


def _log_file(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.old"))
    return path.open("ab")
