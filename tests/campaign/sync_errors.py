"""
A sync that fails (T6): strace lets the k-th fdatasync or fsync of a working engine return EIO.

The process ends at once with exit code 70, whatever file it was, and does not sync that file again:
the next sync could succeed without having written anything. Nor does it begin one of its own files;
a thread of RocksDB's may be at another of the store's just then. What is left audits sound, opens,
and holds every acknowledged transaction exactly once. Lives follow one another on one folder.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from salus.node.ports import FAULT_EXIT_CODE
from tests.campaign.engine import make_folder
from tests.campaign.kill import LIVES, Kills, check_folder

CALLS = {0.0: 20, 0.5: 60}
"""Seconds a life works -> syncs that one thread makes in it: of start and end alone, or of blocks.

Strace counts each thread's calls for itself, and fsync and fdatasync apart.
"""

STORE = "rocks"
"""RocksDB's folder."""

_BEGIN = re.compile(r"(?P<thread>\d+) +(?:fdatasync|fsync)\(\d+<(?P<path>[^>]*)>")
_INJECTED = "(INJECTED)"


@dataclass
class SyncErrors:
    """What became of some lives."""

    cycles: int = 0
    acknowledged: int = 0
    where: Counter[str] = field(default_factory=Counter)
    """Folder of the file whose sync failed -> lives; "none": the life ended before its k-th."""

    failures: list[str] = field(default_factory=list)


def run_sync_errors(seed: int, cycles: int, keep: Path | None = None) -> SyncErrors:
    """Fail a sync chosen at random in each of so many lives; a failure's folder goes to `keep`."""
    random = Random(seed)
    lives = random.choices(list(CALLS), k=cycles)
    plan = [(random.randint(1, CALLS[seconds]), seconds) for seconds in lives]
    return fail_syncs(f"seed {seed}", plan, keep)


def fail_syncs(
    name: str, plan: Sequence[tuple[int, float]], keep: Path | None = None
) -> SyncErrors:
    """Live once for each (k, seconds); `name`: how a failure says where it comes from."""
    done = SyncErrors()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "0"
        for cycle, (call, seconds) in enumerate(plan):
            if cycle % LIVES == 0:
                home = Path(folder) / str(cycle)
                make_folder(home)
            try:
                done.where[_live(home, call, seconds)] += 1
                kills = Kills()
                check_folder(home, kills)
                done.acknowledged += kills.acknowledged
            except Exception as error:  # noqa: BLE001 (whatever a failed sync does wrong)
                done.failures.append(
                    f"{name}, cycle {cycle}, call {call} of {seconds} s: "
                    f"{type(error).__name__}: {error}"
                )
                if keep is not None:
                    shutil.copytree(home, keep / f"sync-errors-{cycle}-{call}", dirs_exist_ok=True)
                shutil.rmtree(home)
                make_folder(home)
            done.cycles += 1
    return done


def _live(home: Path, call: int, seconds: float) -> str:
    """Run an engine for so long, whose `call`-th sync fails; says where; raises AssertionError."""
    log = home / "calls"
    ended = subprocess.run(
        [
            "strace", "-f", "-qq", "-y", "-o", str(log),
            "-e", "trace=fdatasync,fsync",
            "-e", f"inject=fdatasync,fsync:error=EIO:when={call}",
            sys.executable, "-m", "tests.campaign.engine",
            str(home), str(home / "acknowledged"), str(seconds),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    calls = log.read_text().splitlines()
    failed = next((at for at, line in enumerate(calls) if _INJECTED in line), None)
    if failed is None:
        assert ended.returncode == 0, f"expected a clean end, found {ended.stderr[-500:]}"
        return "none"
    path = _path_of(calls, failed)
    later = [line for line in calls[failed + 1 :] if _is_forbidden(line, path)]
    assert ended.returncode == FAULT_EXIT_CODE, (
        f"expected exit {FAULT_EXIT_CODE}, found {ended.returncode}: {ended.stderr[-500:]}"
    )
    assert "failed (EIO); the node ends here" in ended.stderr
    assert not later, f"expected no sync after the failed one, found {later[0]}"
    return Path(path).parent.name


def _is_forbidden(line: str, failed: str) -> bool:
    """Whether it begins a sync that must not follow that of the file `failed`."""
    begin = _BEGIN.match(line)
    return begin is not None and (begin["path"] == failed or STORE not in Path(begin["path"]).parts)


def _path_of(calls: Sequence[str], failed: int) -> str:
    """The file whose sync failed; another thread's call may stand between its two halves."""
    thread = calls[failed].split()[0]
    for line in reversed(calls[: failed + 1]):
        begin = _BEGIN.match(line)
        if begin is not None and begin["thread"] == thread:
            return begin["path"]
    raise AssertionError(f"no beginning of {calls[failed]}")
