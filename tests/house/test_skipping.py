"""Nothing is skipped silently: by name and reason, and counted in the suite's last line."""

import re
import subprocess
import sys
from pathlib import Path

from tests.house.project import ROOT

SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="no such tool here")
def test_of_a_tool():
    pass

def test_that_finds_out_late():
    pytest.skip("no such kernel here")

def test_that_runs():
    pass
"""


def test_what_is_skipped_is_named_and_counted(tmp_path: Path) -> None:
    """Run as `make test` runs it: each name with its reason, and how many in the last line."""
    makefile = (ROOT / "Makefile").read_text()
    (lanes,) = re.findall(r"^LANES := (.+)$", makefile, re.MULTILINE)
    (flags,) = re.findall(r"-m pytest \$\(LANES\) (\S+) \$\(TEST_ARGS\)", makefile)
    file = tmp_path / "test_skipping.py"
    file.write_text(SKIPPING)
    command = [sys.executable, "-m", "pytest", *lanes.split(), flags, "-c", ROOT / "pyproject.toml"]
    ran = subprocess.run(
        [*command, "--rootdir", tmp_path, "-p", "no:cacheprovider", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = ran.stdout.splitlines()
    named = [line for line in lines if line.startswith("SKIPPED")]

    assert 2 == len(named), ran.stdout + ran.stderr
    assert "test_of_a_tool" in named[0]
    assert "no such tool here" in named[0]
    assert "test_that_finds_out_late" in named[1]
    assert "no such kernel here" in named[1]
    assert "1 passed, 2 skipped" in lines[-1]
