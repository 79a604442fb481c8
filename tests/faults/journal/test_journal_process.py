"""
A process killed at any moment, or told that a sync failed (T1, T6).

The failed sync comes from the kernel's side: `strace` makes the k-th call return EIO.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from salus.node.journal import Journal
from salus.node.ports import FAULT_EXIT_CODE
from tests.faults.journal.appender import NETWORK, SEGMENT_BYTES, payload

APPENDER = str(Path(__file__).with_name("appender.py"))
KILLS = int(os.environ.get("SALUS_KILLS", "8"))
FAILED_SYNCS = int(os.environ.get("SALUS_FAILED_SYNCS", "10"))


def check(folder: Path, acknowledged: int) -> int:
    """Everything acknowledged is there, and at most one record more; the tip."""
    journal = Journal.open(folder, NETWORK, must_hold=acknowledged, segment_bytes=SEGMENT_BYTES)
    rows = list(journal.records())
    assert len(rows) in (acknowledged, acknowledged + 1)
    assert [(height, payload(height)) for height in range(1, len(rows) + 1)] == rows
    journal.close()
    return len(rows)


def test_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """SIGKILL after a random number of acknowledgements, again and again in one folder."""
    random = Random(1)
    tip = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, APPENDER, str(tmp_path), "100000"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told = "".join(process.stdout.readline() for _ in range(random.randrange(1, 60)))
            process.kill()
            told += process.stdout.read()
        # A last line without its end was not told.
        tip = check(tmp_path, tip + told.count("\n"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64", "fsync"])
def test_failed_call_ends_the_process_at_once(tmp_path: Path, call: str) -> None:
    """Exit 70, nothing printed after it, no sync ever again, and a consistent restart."""
    for number in range(1, FAILED_SYNCS + 1):
        folder = tmp_path / str(number)
        log = tmp_path / "calls"
        done = subprocess.run(
            [
                "strace", "-f", "-qq", "-o", str(log),
                "-e", "trace=fdatasync,fsync,pwrite64",
                "-e", f"inject={call}:error=EIO:when={number}",
                sys.executable, APPENDER, str(folder), "40",
            ],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        calls = log.read_text().splitlines()
        failed = next((at for at, line in enumerate(calls) if "INJECTED" in line), None)
        if failed is None:
            # Fewer such calls are made in all: every one of them has had its turn.
            assert call == "fsync"
            break
        acknowledged = len(done.stdout.split())

        assert done.returncode == FAULT_EXIT_CODE
        assert "failed (EIO); the node ends here" in done.stderr
        assert [] == [line for line in calls[failed + 1 :] if "sync" in line or "pwrite" in line]
        check(folder, acknowledged)
