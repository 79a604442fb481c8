"""
One journal, replayed in processes that differ in everything that must not matter (T10).

Hash seeds, numbers of verify processes, levels of the tree, and every Python that is here: 3.13
runs from an environment of its own, made once from requirements.lock into a cache folder.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.campaign.mixed import write_mixed

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
PYTHONS = ("python3.11", "python3.13")
"""Looked for on PATH and among pyenv's, beside the one that runs this."""


class Way(NamedTuple):
    """One way to replay."""

    python: Path
    hash_seed: int
    levels: int
    workers: int

    def __str__(self) -> str:
        """For a failure's line."""
        return (
            f"{self.python}, hash seed {self.hash_seed}, levels {self.levels}, "
            f"{self.workers} workers"
        )


@dataclass
class Replays:
    """What the replays of one journal came to."""

    transactions: int = 0
    ways: int = 0
    pythons: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_determinism(seed: int, transactions: int, *, make_environments: bool) -> Replays:
    """
    Write a journal of random acts and replay it every way.

    `make_environments`: install what another Python needs; otherwise only one made before is used.
    """
    replays = Replays(transactions=transactions)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "mixed"
        expected = write_mixed(home, seed, transactions).hex()
        for way in _ways(replays, make_environments=make_environments):
            replays.ways += 1
            found = _replay(home, way)
            if found.split()[-1:] != [expected]:
                replays.failures.append(f"seed {seed}, {way}: expected {expected}, found {found}")
    return replays


def _ways(replays: Replays, *, make_environments: bool) -> Iterator[Way]:
    own = Path(sys.executable)
    replays.pythons.append(f"{sys.version_info[0]}.{sys.version_info[1]}")
    yield Way(own, hash_seed=0, levels=12, workers=0)
    yield Way(own, hash_seed=1, levels=4, workers=1)
    yield Way(own, hash_seed=4242, levels=14, workers=2)
    for name in PYTHONS:
        if name == f"python{replays.pythons[0]}":
            continue
        python = environment(name, make=make_environments)
        if isinstance(python, str):
            replays.skipped.append(f"{name}: {python}")
            continue
        replays.pythons.append(name.removeprefix("python"))
        yield Way(python, hash_seed=7, levels=12, workers=1)


def _replay(home: Path, way: Way) -> str:
    """What the process printed, or its error."""
    done = subprocess.run(
        [way.python, "-m", "tests.campaign.replay", home, str(way.levels), str(way.workers)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": str(way.hash_seed),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-400:]


def environment(name: str, *, make: bool) -> Path | str:
    """Path of that Python with the locked packages, or why there is none."""
    if name == f"python{sys.version_info[0]}.{sys.version_info[1]}":
        return Path(sys.executable)
    base = next(filter(_starts, _found(name)), None)
    if base is None:
        return "neither on PATH nor among pyenv's"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "salus" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        if not make:
            return "its environment is made by `make campaign`"
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", LOCK], check=True
        )
        (folder / "whole").touch()
    return python


def _found(name: str) -> Iterator[Path]:
    """Where a Python of this name lies; pyenv's own on PATH may start none."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder) / name
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/*/bin/{name}"))


def _starts(python: Path) -> bool:
    if not os.access(python, os.X_OK):
        return False
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0
