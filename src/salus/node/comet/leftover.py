"""
A CometBFT that outlived its node is ended before the next one starts.

It should end by itself when its node's socket breaks; a stop of its own may hang, though, and it
would then keep its folder's locks for ever: the member could not come back.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import structlog

from salus.base.errors import Category, Problem

log = structlog.get_logger()

PROCESSES = Path("/proc")
"""Where this is not (it is on Linux), nothing is found."""

END_S = 10.0
"""How long the kernel may take to end a killed process."""

LOOK_S = 0.02


def end_leftover(home: Path) -> None:
    """
    End every process that was started as `start --home HOME`; its node runs no more.

    The caller holds the ledger's lock, so no other node of this folder can run. What was voted
    stands in `data/`: CometBFT is made to be killed. Raises Problem CometRuns.
    """
    end_s = time.monotonic() + END_S
    told = False
    while pids := _started_in(home):
        if not told:
            log.warning("comet.leftover", count=len(pids))
            told = True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end_s:
            raise Problem(
                Category.UNAVAILABLE,
                "CometRuns",
                f"expected no CometBFT in {home}, found process {pids[0]}, which does not end: end "
                "it by hand, then start the node again",
            )
        time.sleep(LOOK_S)


def _started_in(home: Path) -> list[int]:
    found, folder = [], home.resolve()
    for entry in PROCESSES.glob("[0-9]*"):
        # One may end while it is looked at.
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
            is_comet = words[-3:-1] == [b"start", b"--home"]
            if is_comet and Path(os.fsdecode(words[-1])).resolve() == folder:
                found.append(int(entry.name))
    return found
