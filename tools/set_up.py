"""
Set up `.venv` from the lock, once per lock; every "no" is a sentence that names the next step.

It runs before anything is installed, under whatever Python 3 is there: only the standard library,
and annotations newer than Python 3.6 stand in quotes, so that an old one can say that it is old.

    1  Python is new enough and can make environments    3  the locked wheels, each by its hash
    2  `.venv` belongs to this Python and this folder    4  this project itself, and the stamp
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON_LEAST = (3, 11)
"""`requires-python` in pyproject.toml."""

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "set-up"
"""Holds the digest of what the environment was made from; written last."""

LEADING_ASTRAY = frozenset(("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"))
"""Settings that would put packages, or look for them, outside `.venv`."""

UNAVAILABLE = 69
"""Exit code: something this machine must bring is missing (sysexits EX_UNAVAILABLE)."""


def main() -> int:
    """Set up if need be; 0, or 69 after a sentence on what is missing."""
    problem = missing()
    if problem is None:
        wanted = digest()
        if STAMP.is_file() and STAMP.read_text() == wanted and is_sound():
            return 0
        problem = make_environment() or install_lock() or install_project()
    if problem is not None:
        say(problem)
        return UNAVAILABLE
    STAMP.write_text(wanted)
    say("Set up: .venv holds what requirements.lock names.")
    return 0


def missing() -> "str | None":
    """What this machine lacks, as a sentence; None if nothing."""
    found = sys.version_info[:2]
    if found < PYTHON_LEAST:
        return (
            "Expected Python 3.11 or newer, found {}.{}. On Debian 12 or newer: apt install "
            "python3; or name another one: make PYTHON=python3.11 ...".format(*found)
        )
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            return (
                f"This Python cannot make environments: its module {module} is missing. "
                "On Debian: apt install python3-venv"
            )
    return None


def digest() -> str:
    """SHA-256 over all that decides what the environment holds, this folder's place included."""
    parts = (LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), str(VENV).encode())
    return hashlib.sha256(b"\0".join(parts) + sys.version.encode()).hexdigest()


def is_sound() -> bool:
    """Whether `.venv` runs this Python and was made here: a copy starts programs elsewhere."""
    python, notes = VENV / "bin" / "python", VENV / "pyvenv.cfg"
    if not python.exists() or not notes.is_file():
        return False
    made_here = any(line.endswith(f"-m venv {VENV}") for line in notes.read_text().splitlines())
    asked = [str(python), "-c", "import sys; print(sys.version)"]
    told = subprocess.run(asked, stdout=subprocess.PIPE, check=False).stdout.decode().strip()
    return made_here and told == sys.version.strip()


def make_environment() -> "str | None":
    """Keep a sound `.venv`, else make it anew; a sentence if that fails."""
    if is_sound():
        return None
    shutil.rmtree(str(VENV), ignore_errors=True)
    say("Making .venv ...")
    if run(sys.executable, "-m", "venv", str(VENV)) != 0:
        return "Making .venv failed, see above. On Debian: apt install python3-venv"
    return None


def install_lock() -> "str | None":
    """Install the locked wheels; a sentence if that fails."""
    say("Installing the locked packages, wheels only, each checked by its hash (1-3 minutes) ...")
    if pip("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK)) != 0:
        return (
            "Installing the locked packages failed, see above.\n"
            "  No index was reached: check the network and pip's settings, then run make again.\n"
            "  A wheel is missing: this system has none; use Linux and Python 3.11 to 3.13.\n"
            "  A hash differs: do not go on; report it as SECURITY.md says."
        )
    return None


def install_project() -> "str | None":
    """Install this folder itself, editable; a sentence if that fails."""
    if pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT)) != 0:
        return "Installing the project itself failed, see above; please report it."
    return None


def pip(*arguments: str) -> int:
    """Run the environment's own pip; its exit code."""
    flags = ("--quiet", "--disable-pip-version-check", "--no-input")
    return run(str(VENV / "bin" / "python"), "-m", "pip", "install", *flags, *arguments)


def run(*command: str) -> int:
    """Run a command in this folder; its exit code."""
    # A user's own PYTHONPATH or pip target must not lead what is installed elsewhere.
    kept = {name: value for name, value in os.environ.items() if name not in LEADING_ASTRAY}
    return subprocess.run(command, cwd=str(ROOT), env=kept, check=False).returncode


def say(words: str) -> None:
    """Talk goes to stderr."""
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(main())
