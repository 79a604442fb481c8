"""The import contracts hold, and each one was seen to catch what it forbids."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.project import ROOT, SOURCE

BROKEN = {
    "layers": {
        "a node that calls a door": ("node/entries.py", "import salus.doors.problems"),
        "a client that calls a node": ("client/wallet.py", "import salus.node.peers"),
        "a node that calls a client": ("node/entries.py", "import salus.client.wallet"),
        "state that knows what is sealed": ("state/overlay.py", "import salus.sealed.locks"),
        "a format that knows the state": ("formats/fhir/days.py", "import salus.state.tables"),
        "base that knows anything": ("base/codec.py", "import salus.state.tables"),
        "a new folder without a place": ("new/__init__.py", '"""New."""'),
    },
    "modules": {
        "another module's rules": (
            "modules/audit/handlers.py",
            "import salus.modules.consent.rules",
        ),
        "another module's tables": (
            "modules/records/queries.py",
            "from salus.modules.members import state",
        ),
    },
    "formats": {
        "a module that reads FHIR": ("modules/audit/rules.py", "import salus.formats.fhir.codec"),
        "a node that reads FHIR": ("node/entries.py", "import salus.formats.fhir.codec"),
    },
    "client": {
        "a client that executes": ("client/submit.py", "import salus.machine.execute"),
        "a client that opens a store": ("client/verify.py", "import salus.state.store"),
    },
    "siblings": {
        "two files in a circle": ("base/hashing.py", "import salus.base.sealing"),
    },
}
"""By contract: what breaks it -> (file, the line added to it)."""

CASES = [(contract, what) for contract, broken in BROKEN.items() for what in broken]


def importlinter() -> dict[str, Any]:
    """The settings as pyproject.toml has them."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    found: dict[str, Any] = settings["importlinter"]
    return found


def lint(tree: Path) -> tuple[int, str]:
    """Check the package in a folder by the project's own contracts: exit code, words."""
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as main; main()",
            "--config",
            str(ROOT / "pyproject.toml"),
            "--no-cache",
        ],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, for breaking."""
    copy = tmp_path_factory.mktemp("layers")
    shutil.copytree(SOURCE, copy / "salus", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def broken(tree: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The copy with one line too many."""
    contract, what = request.param
    name, line = BROKEN[contract][what]
    path = tree / "salus" / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n")
    yield tree
    if before is None:
        shutil.rmtree(path.parent)
    else:
        path.write_text(before)


def test_the_package_keeps_every_contract(tree: Path) -> None:
    """The control of all that follows: nothing is broken before a line is added."""
    code, words = lint(tree)

    assert 0 == code, words
    assert f"{len(importlinter()['contracts'])} kept, 0 broken" in words


@pytest.mark.parametrize(
    ("broken", "contract"),
    [(case, case[0]) for case in CASES],
    indirect=["broken"],
    ids=[what for _, what in CASES],
)
def test_a_contract_catches_what_it_forbids(broken: Path, contract: str) -> None:
    """The named contract breaks, and says which import did it."""
    name = next(one["name"] for one in importlinter()["contracts"] if one["id"] == contract)

    code, words = lint(broken)

    assert 1 == code, words
    assert f"{name} BROKEN" in words


def test_every_contract_was_broken_once() -> None:
    """A contract that nobody saw failing may forbid nothing."""
    assert {one["id"] for one in importlinter()["contracts"]} == set(BROKEN)


def test_modules_hide_every_file_but_their_queries() -> None:
    """The list of what other modules may not read names every file there is."""
    found = {
        path.stem
        for path in (SOURCE / "modules").glob("*/*.py")
        if path.stem not in ("__init__", "queries")
    }
    contract = next(one for one in importlinter()["contracts"] if one["id"] == "modules")
    listed = {one.removeprefix("salus.modules.*.") for one in contract["forbidden_modules"]}

    assert found == listed
