"""
Stopping a network from another terminal.

A process is stopped only while it holds its folder's lock: a number in a file from before may
belong to a stranger by now.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from salus.base.errors import Category, Problem
from salus.doors.network.supervisor import PID
from salus.node.folder_lock import FolderLock
from salus.node.settings import Place

STOP_S = 60.0
"""How long whoever is told to stop may take."""

LOOK_S = 0.1


def stop_network(folder: Path, places: Sequence[Place]) -> list[str]:
    """
    Stop the supervisor, then members it left behind; returns who was stopped.

    Raises Problem StillRunning: one of them does not end.
    """
    running = {"network": (folder, folder / PID)}
    for place in places:
        name = place.settings.member.name
        running[name] = (place.home / "node", folder / f"{name}.pid")
    return [name for name, (locked, pid) in running.items() if _stop(name, locked, pid)]


def _stop(name: str, locked: Path, pid_file: Path) -> bool:
    if not is_running(locked) or not pid_file.exists():
        return False
    os.kill(int(pid_file.read_text()), signal.SIGTERM)
    end_s = time.monotonic() + STOP_S
    while is_running(locked):
        if time.monotonic() > end_s:
            raise Problem(
                Category.UNAVAILABLE,
                "StillRunning",
                f"{name} did not end within {STOP_S:.0f} s: look into its log, then end process "
                f"{pid_file.read_text()} by hand",
            )
        time.sleep(LOOK_S)
    pid_file.unlink(missing_ok=True)
    return True


def is_running(locked: Path) -> bool:
    """Whether a process works in a folder."""
    if not locked.exists():
        return False
    try:
        FolderLock(locked).release()
    except Problem:
        return True
    return False
