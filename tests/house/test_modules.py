"""Every module is complete, and what is missing is said in plain words."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import salus.modules
from salus.base.errors import Category, Fault, Refusal
from salus.chain import MODULES
from salus.machine.execute import Machine
from salus.machine.module import Message, Module
from tests.support.house_rules import clash, lacks
from tools.new_module import ROOT, write


def check(module: Module, root: Path) -> list[str]:
    """What the module lacks, its files lying below `root`."""
    return lacks(
        module,
        root / "src/salus/modules" / module.name,
        root / "tests/modules" / module.name,
        root / "tests/workloads",
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_lacks_nothing(module: Module) -> None:
    """README, handlers, refusals, tests and workload say the same."""
    assert [] == check(module, ROOT)


def test_modules_do_not_clash() -> None:
    """No number or name is taken twice, and every folder of modules is in the list."""
    folders = {path.parent.name for path in (ROOT / "src/salus/modules").glob("*/module.py")}

    assert [] == clash(MODULES)
    assert folders == {module.name for module in MODULES}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Path]:
    """A folder with the module `officers` as the generator writes it, importable meanwhile."""
    write(tmp_path, "officers", 12)
    where = str(tmp_path / "src/salus/modules")
    salus.modules.__path__.append(where)
    yield tmp_path
    salus.modules.__path__.remove(where)
    for name in [one for one in sys.modules if one.startswith("salus.modules.officers")]:
        del sys.modules[name]


def officers() -> Module:
    """The generated module."""
    module: Module = importlib.import_module("salus.modules.officers.module").MODULE
    return module


def test_a_new_module_is_complete(made: Path) -> None:
    """What the generator writes passes the house's checks and fits beside the others."""
    assert [] == check(officers(), made)
    assert [] == clash([*MODULES, officers()])
    Machine([*MODULES, officers()])


def test_a_new_modules_own_tests_pass(made: Path) -> None:
    """Its decision table and workload run as they are written."""
    script = (
        "import sys, pytest, salus.modules, tests.workloads\n"
        f"salus.modules.__path__.append({str(made / 'src/salus/modules')!r})\n"
        f"tests.workloads.__path__.append({str(made / 'tests/workloads')!r})\n"
        f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', {str(made / 'tests')!r}]))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == ran.returncode, ran.stdout + ran.stderr


def test_a_new_module_overwrites_nothing(made: Path) -> None:
    """One file that is there stops all writing."""
    with pytest.raises(FileExistsError):
        write(made, "officers", 13)


def cut(path: str, old: str, new: str = "") -> Callable[[Path], None]:
    """Break a generated file by replacing some text."""

    def break_it(root: Path) -> None:
        file = root / path.format(m="src/salus/modules/officers", t="tests/modules/officers")
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return break_it


BROKEN: dict[str, Callable[[Path], None]] = {
    "no file rules.py": lambda root: (root / "src/salus/modules/officers/rules.py").unlink(),
    "no heading 'Privacy'": cut("{m}/README.md", "## Privacy"),
    "no row '12/1' for officers.note": cut("{m}/README.md", "| 12/1 |", "| 12/9 |"),
    "mention `officers.note_put`": cut("{m}/README.md", "`officers.note_put`", "it"),
    "mention refusal '3 SameNote'": cut("{m}/README.md", "3 SameNote", "3 Same"),
    "do not mention note(": cut("{m}/README.md", "`note(member)`", "none"),
    "in the order [2, 3], README in the order [3, 2]": cut(
        "{m}/README.md", "2 NoteTooLong (> 64), 3 SameNote", "3 SameNote, 2 NoteTooLong (> 64)"
    ),
    "SameNote has no row": cut("{t}/test_officers.py", "SameNote", "NoteTooLong"),
    "PutNote is not tested": cut("{t}/test_officers.py", "PutNote", "Put"),
    "no workload": lambda root: (root / "tests/workloads/officers.py").unlink(),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_a_broken_file_lacks_is_said(made: Path, words: str) -> None:
    """One thing broken on purpose; the sentence names it."""
    module = officers()
    BROKEN[words](made)

    found = check(module, made)

    assert any(words in sentence for sentence in found), found


def test_what_a_broken_declaration_lacks_is_said(made: Path) -> None:
    """A message without handler, a number twice, no invariant, no docstring."""

    class Undone(Message, frozen=True, tag="officers.undone"):
        pass

    class Twice(Refusal, number=2, category=Category.INVALID):
        """A second refusal 2."""

    module = officers()
    broken = replace(
        module,
        messages=(*module.messages, Undone),
        refusals=(*module.refusals, Twice),
        invariants=(),
    )

    found = "\n".join(check(broken, made))

    for words in (
        "message Undone has no handler undone",
        "refusal number 2 is NoteTooLong's and Twice's",
        "declares no invariant",
        "Undone has no docstring",
    ):
        assert words in found
    with pytest.raises(Fault):
        Machine([broken])


def test_clashing_modules_are_named(made: Path) -> None:
    """Both sides of a number or name taken twice."""
    assert made.is_dir()
    taken = replace(officers(), number=9)
    namesake = replace(officers(), number=13)

    assert ["number 9 is audit's and officers's"] == clash([*MODULES, taken])
    assert ["two modules are called officers"] == clash([officers(), namesake])
