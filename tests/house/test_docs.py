"""What the documentation names exists: links, files, functions, commands."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from tests.house.project import ROOT, SOURCE, files, name_of

DOCS = tuple(
    path
    for path in files()
    if path.suffix == ".md" and "tests" not in path.parts and "samples" not in path.parts
)
CURRENT = tuple(path for path in DOCS if path.parent != ROOT / "docs/adr")
"""Decisions tell of their day; all else tells of today."""

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?(?:\.(?:py|md|toml|lock|json|sh)|/)")

RELEASE = re.compile(r"^## (.+)\n(?:(?!^## ).*\n)*?### (.+)$", re.MULTILINE)
STEP = re.compile(r"^\| \d+\. [^|]+\| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)


def ids(path: Path) -> str:
    """A page by its path."""
    return name_of(path)


def links(text: str) -> Iterator[str]:
    """Targets of links outside code."""
    yield from LINK.findall(CODE.sub("", FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """Headings as their links name them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link of a page is another site's, or names a file and a heading of ours."""
    target, _, anchor = link.partition("#")
    if ":" in target:
        return True
    path = (page.parent / target).resolve() if target else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(path.read_text())


def snippets(text: str) -> Iterator[str]:
    """Lines of fenced or indented code without a language, and everything in backticks."""
    for language, body in FENCE.findall(text):
        if language in ("", "sh", "bash", "console"):
            yield from body.splitlines()
    prose = FENCE.sub("", text)
    yield from re.findall(r"^ {4}(.+)$", prose, re.MULTILINE)
    yield from CODE.findall(prose)


@pytest.mark.parametrize("page", DOCS, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of the project, and a heading that it has."""
    broken = [link for link in links(page.read_text()) if not leads_somewhere(page, link)]

    assert [] == broken


@pytest.mark.parametrize("link", ["nowhere.md", "STYLE.md#no-such-heading", "../outside.md"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    """The control: a missing file, a missing heading, a file outside the project."""
    assert not leads_somewhere(ROOT / "CONTRIBUTING.md", link)
    assert leads_somewhere(ROOT / "CONTRIBUTING.md", "STYLE.md#the-deterministic-core")


@pytest.mark.parametrize("page", CURRENT, ids=ids)
def test_files_named_exist(page: Path) -> None:
    """A file in backticks is one of the project's: from its root, from `src/salus`, or beside."""
    named = [
        code
        for code in CODE.findall(FENCE.sub("", page.read_text()))
        if "/" in code and FILE.fullmatch(code) and code.split("/")[0] in FOLDERS
    ]
    missing = [one for one in named if not any((root / one).exists() for root in (ROOT, SOURCE))]

    assert [] == missing


FOLDERS = {path.name for path in (*ROOT.iterdir(), *SOURCE.iterdir()) if path.is_dir()}
"""What a path of the project starts with; other paths are those of a node's folder."""


def test_steps_name_functions_that_exist() -> None:
    """Each step of a life in ARCHITECTURE.md leads to the function that does it."""
    steps = STEP.findall((ROOT / "ARCHITECTURE.md").read_text())
    lost = [f"{file}: {name}" for file, name in steps if name not in definitions(SOURCE / file)]

    assert steps
    assert [] == lost


@cache
def definitions(path: Path) -> frozenset[str]:
    """Functions, classes and methods of a file, methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (one for one in node.body if isinstance(one, ast.FunctionDef))
            found.update(f"{node.name}.{one.name}" for one in inner)
    return frozenset(found)


def made() -> set[str]:
    """Targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", CURRENT, ids=ids)
def test_make_commands_exist(page: Path) -> None:
    """`make x` is a target."""
    named = {
        found[1]
        for snippet in snippets(page.read_text())
        if (found := re.match(r"\s*make ([a-z][a-z-]*)", snippet))
    }

    assert set() == named - made()


@pytest.mark.parametrize("page", CURRENT, ids=ids)
def test_salus_commands_exist(page: Path) -> None:
    """`salus x --y` is a command with that option, as the command line itself knows it."""
    wrong = [
        f"{snippet.strip()}: {words}"
        for snippet in snippets(page.read_text())
        if (found := re.match(r"\s*(?:\.venv/bin/)?salus ([a-z].*)", snippet))
        and (words := unknown(found[1].split()))
    ]

    assert [] == wrong


def unknown(words: list[str]) -> str | None:
    """What the command line does not know of a command; None if it knows all."""
    command = typer.main.get_command(importlib.import_module("salus.doors.cli.main").app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        inner = command.commands.get(words[0])
        if inner is None:
            return f"no command {words[0]}"
        command, words = inner, words[1:]
    options = {"--help"} | {one for parameter in command.params for one in parameter.opts}
    strange = [word for word in words if word.startswith("--") and word not in options]
    return f"no option {strange[0]}" if strange else None


def test_an_unknown_command_is_found() -> None:
    """The control: a command and an option that nobody has."""
    assert unknown(["no-such-command"])
    assert unknown(["verify", "FILE", "--no-such-option"])


def test_a_release_begins_with_consensus() -> None:
    """An operator who reads one heading reads what can split the network."""
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## ", text, re.MULTILINE)
    firsts = RELEASE.findall(text)

    assert len(releases) == len(firsts)
    assert ["Consensus"] * len(firsts) == [heading for _, heading in firsts]


HEADINGS = ["Context", "Options", "Outcome", "Cost"]
DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=ids)
def test_a_decision_has_its_parts(page: Path) -> None:
    """Context, options, outcome and what it costs; its number; its line in the list."""
    text = page.read_text()
    index = (ROOT / "docs/adr/README.md").read_text()

    assert HEADINGS == re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert text.startswith(f"# {page.name[:4]}: ")
    assert f"({page.name})" in index


def test_decisions_are_numbered_without_a_gap() -> None:
    """None was deleted."""
    assert list(range(1, len(DECISIONS) + 1)) == [int(page.name[:4]) for page in DECISIONS]
