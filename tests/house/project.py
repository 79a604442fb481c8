"""The project as its own tests see it: its files, and where they stand."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "salus"


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, part of the project: what git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return tuple(path for name in sorted(names) if name and (path := ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Path below the root and text of every file that is UTF-8."""
    for path in files():
        try:
            yield name_of(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def sources(*folders: str) -> tuple[Path, ...]:
    """The Python files below some folders of `src/salus`; all of them if none is named."""
    roots = [SOURCE / folder for folder in folders] or [SOURCE]
    return tuple(path for root in roots for path in sorted(root.rglob("*.py")))


def name_of(path: Path) -> str:
    """Path below the root, as people write it."""
    return path.relative_to(ROOT).as_posix()
