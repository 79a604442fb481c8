"""`salus bench`: the benchmark suite of the clone this program runs from."""

import subprocess
import sys
from pathlib import Path

import typer

import salus
from salus.base.errors import Category, Problem

CLONE = Path(salus.__file__).parents[2]


def bench(context: typer.Context) -> None:
    """
    Measure this machine beside SQLite, PostgreSQL and immudb; words after it go to the suite.

    Example: salus bench --quick --only B1,B5
    """
    if not (CLONE / "bench").is_dir():
        raise Problem(
            Category.UNSUPPORTED,
            "BenchMissing",
            "expected the folder bench beside src: run from a clone of the project",
        )
    command = [sys.executable, "-m", "bench", *context.args]
    raise typer.Exit(subprocess.run(command, cwd=CLONE, check=False).returncode)  # noqa: S603 (our own suite)
