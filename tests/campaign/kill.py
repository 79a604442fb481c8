"""
Kill -9 of a working engine (T1): at random moments, and by strace at calls of its commit.

After each kill: the folder audits sound (which replays it from the genesis), opens within five
seconds, and holds every acknowledged transaction exactly once, where and with the code it was
acknowledged. Lives follow one another on one folder, then a new one is begun.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from salus.node.audit.audit import audit_folder
from salus.node.ledger import Ledger
from tests.campaign.engine import make_folder, open_folder

START_S_MAX = 5.0
LIVES = 8
"""Kills a folder sees before a new one is begun."""

CALLS = ("pwrite64", "fdatasync", "rename", "write")
"""What a commit does, and RocksDB's own log; strace kills at the n-th."""

STRACE_EVERY = 4
"""One cycle in so many dies at a call, the others at a moment."""


@dataclass
class Kills:
    """What became of some cycles."""

    cycles: int = 0
    acknowledged: int = 0
    blocks: int = 0
    start_s_max: float = 0.0
    how: Counter[str] = field(default_factory=Counter)
    """How the engine died -> cycles."""

    failures: list[str] = field(default_factory=list)


def run_kills(seed: int, cycles: int, keep: Path | None = None) -> Kills:
    """Kill an engine so often; a failure's folder is kept in `keep`."""
    kills = Kills()
    random = Random(seed)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "0"
        for cycle in range(cycles):
            if cycle % LIVES == 0:
                shutil.rmtree(home, ignore_errors=True)
                home = Path(name) / str(cycle)
                make_folder(home)
            kills.how[_live(home, random, by_call=cycle % STRACE_EVERY == 1)] += 1
            kills.cycles += 1
            try:
                check_folder(home, kills)
            except Exception as error:  # noqa: BLE001 (whatever a killed folder does wrong)
                kills.failures.append(
                    f"seed {seed}, cycle {cycle}: {type(error).__name__}: {error}"
                )
                if keep is not None:
                    shutil.copytree(home, keep / f"kill-{seed}-{cycle}")
                shutil.rmtree(home)
                make_folder(home)
    return kills


def _live(home: Path, random: Random, *, by_call: bool) -> str:
    """Run an engine until it is killed; says how."""
    command = [sys.executable, "-m", "tests.campaign.engine", str(home), str(home / "acknowledged")]
    how = "at a moment"
    if by_call and shutil.which("strace"):
        call = random.choice(CALLS)
        at = random.randrange(1, 200)
        command = [*_strace(call, at), *command]
        how = f"at {call}"
    lines = _lines(home)
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        if random.random() < 0.8:
            _wait_for_line(home, lines, process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0.02, 0.4) if how == "at a moment" else 3.0)
        _kill_group(process)
    return how


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the engine, and strace if it traces it; return when nothing of them is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while True:
            os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.005)


def _strace(call: str, at: int) -> list[str]:
    trace = f"trace={call}"
    inject = f"inject={call}:signal=SIGKILL:when={at}"
    return ["strace", "-f", "-qq", "-o", os.devnull, "-e", trace, "-e", inject]


def _lines(home: Path) -> int:
    path = home / "acknowledged"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_for_line(home: Path, before: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the engine is open."""
    give_up_s = time.monotonic() + 20
    while process.poll() is None and _lines(home) == before and time.monotonic() < give_up_s:
        time.sleep(0.01)


def check_folder(home: Path, kills: Kills) -> None:
    """All that must hold of a killed folder; raises AssertionError."""
    genesis = (home / "genesis.json").read_bytes()
    if (home / "acknowledged").exists():  # before its first start ended there is half a folder
        report = audit_folder(home / "node", genesis, workers=0)
        assert report.sound, f"the audit says {report.findings[0]}"
    began_s = time.monotonic()
    with closing(open_folder(home)) as ledger:
        start_s = time.monotonic() - began_s
        kills.start_s_max = max(kills.start_s_max, start_s)
        assert start_s <= START_S_MAX, f"expected a start within 5 s, found {start_s:.1f}"
        _check_acknowledged(home, ledger, kills)
    kills.blocks += ledger.tip.height


def _check_acknowledged(home: Path, ledger: Ledger, kills: Kills) -> None:
    places: dict[bytes, list[tuple[int, int, int]]] = {}
    for height in range(1, ledger.tip.height + 1):
        record, stored = ledger.record(height), ledger.receipts(height)
        assert len(record.txs) == len(stored.receipts), f"half a block at {height}"
        for position, (data, receipt) in enumerate(zip(record.txs, stored.receipts, strict=True)):
            transaction = ledger.machine.form.read(data)
            places.setdefault(transaction.id, []).append((height, position, receipt.code))
    path = home / "acknowledged"
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("open"):
            continue
        name, height_text, position_text, code = line.split()
        expected = [(int(height_text), int(position_text), int(code))]
        found = places.get(bytes.fromhex(name), [])
        assert expected == found, f"acknowledged at {expected}, found at {found}"
        assert (expected[0][0], expected[0][1]) == ledger.find(bytes.fromhex(name))
        kills.acknowledged += 1
