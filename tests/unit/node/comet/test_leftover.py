"""A CometBFT whose node is gone is found by the folder it was started in, and ended."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.node.comet.leftover import end_leftover

SLEEPER = "import time; print(flush=True); time.sleep(60)"


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A process in each of two folders, started with CometBFT's words; both run."""
    started = {}
    for name in ("north", "south"):
        words = ["start", "--home", str(tmp_path / name)]
        started[name] = subprocess.Popen(
            [sys.executable, "-c", SLEEPER, *words], stdout=subprocess.PIPE
        )
    for process in started.values():
        assert process.stdout is not None
        process.stdout.readline()
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


def test_only_the_folders_own_process_is_ended(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]
) -> None:
    """The other member's goes on; a folder without one is no error."""
    end_leftover(tmp_path / "north")
    end_leftover(tmp_path / "nobody")

    assert -9 == sleepers["north"].wait(10)
    assert None is sleepers["south"].poll()
