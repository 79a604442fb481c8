"""The project stands alone: nothing in it names the machine it was written on, or where it buys."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.house.project import ROOT, name_of, texts

LOCKS = sorted(ROOT.glob("*.lock")) + sorted(ROOT.glob("*/package-lock.json"))

HOMES = re.compile(r"(?<![\w.~])/(?:root|home/\w+|Users/\w+|work|workspace)/(?=\w)")
"""Places that one machine has and the next has not."""

REGISTRIES = re.compile(
    "|".join(
        ("py" + r"pi\.org", "python" + "hosted", r"registry\.np" + "mjs", "proxy" + r"\.golang")
    )
)
"""Where packages come from is the business of whoever installs them."""

REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_address(lock: Path) -> None:
    """Whoever installs chooses the index; a hash makes any of them the same."""
    assert "://" not in lock.read_text()


def test_the_lock_holds_names_versions_and_hashes() -> None:
    """And nothing else: no option, no comment, no package without a hash."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    strange = [line for line in lines if not (REQUIREMENT.match(line) or HASH.match(line))]
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if REQUIREMENT.match(line) and not HASH.match(following)
    ]

    assert [] == strange
    assert [] == bare


def test_the_lock_holds_every_dependency() -> None:
    """What pyproject.toml asks for is what set-up installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[\[<>=! ]", one)[0] for one in asked}
    locked = {
        found[1]
        for lock in LOCKS
        for line in lock.read_text().splitlines()
        if (found := REQUIREMENT.match(line))
    }

    assert set() == names - locked


@pytest.mark.parametrize("pattern", [HOMES, REGISTRIES], ids=["a machine's folder", "a registry"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    """A clone on a stranger's machine finds everything it speaks of."""
    found = [
        f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
        for name, text in texts()
        if name != name_of(ROOT / "tests/house/test_standing_alone.py")
        for hit in pattern.finditer(text)
    ]

    assert [] == found
