"""A process that is watched, with a shell script in CometBFT's place."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.node.comet import process as process_file
from salus.node.comet.home import CometHome
from salus.node.comet.process import CometProcess

WAIT_S = 10.0


def make_program(path: Path, lines: str) -> Path:
    """A script that is started as CometBFT would be."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def home_in(folder: Path) -> CometHome:
    """A folder with what a start needs."""
    (folder / "run").mkdir()
    return CometHome(folder, "127.0.0.1:0")


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_ends_is_started_again_and_the_engine_is_told(tmp_path: Path) -> None:
    """With the socket of the killed one out of the way."""
    home, told = home_in(tmp_path), threading.Event()
    home.rpc_socket.write_text("left")
    watched = CometProcess(make_program(tmp_path / "program", "exec sleep 60"), home, told.set)
    first = watched.pid
    home.rpc_socket.write_text("left")
    os.kill(first, signal.SIGKILL)

    assert told.wait(WAIT_S)
    assert first != watched.pid
    assert not home.rpc_socket.exists()
    watched.close()
    assert not runs(watched.pid)


def test_what_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stop waits for so long and no longer."""
    monkeypatch.setattr(process_file, "STOP_S", 0.2)
    program = make_program(
        tmp_path / "program", f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    )
    watched = CometProcess(program, home_in(tmp_path), lambda: None)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    watched.close()

    assert not runs(watched.pid)


@pytest.mark.parametrize("pause_s", [0.0, 0.0005, 0.001, 0.002, 0.004, 0.008])
def test_a_stop_during_a_restart_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pause_s: float
) -> None:
    """The program ends again and again; whenever the stop comes, nothing is started after it."""
    monkeypatch.setattr(process_file, "RETRY_S", (0.001,))
    watched = CometProcess(
        make_program(tmp_path / "program", "exec true"), home_in(tmp_path), lambda: None
    )
    time.sleep(0.05 + pause_s)
    watched.close()
    last = watched.pid
    time.sleep(0.05)

    assert last == watched.pid
    assert not runs(last)


def test_a_port_in_use_is_a_sentence_before_anything_starts(tmp_path: Path) -> None:
    """CometBFT itself would end at once, again and again, and say so in a log of its own."""
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as line:
        listen = f"127.0.0.1:{line.getsockname()[1]}"
        with pytest.raises(Problem, match=f"PortInUse.*{listen}.*choose another port"):
            CometProcess(tmp_path / "program", CometHome(tmp_path, listen), lambda: None)

    assert not (tmp_path / "cometbft.log").exists()
