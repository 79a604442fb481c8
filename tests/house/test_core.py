"""The deterministic core: what it may not touch, and what its lists of names promise."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salus.base.hashing import DOMAINS
from tests.house.project import SOURCE, name_of, sources

CORE = ("base", "state", "machine", "modules", "sealed")

WORLD = {
    "asyncio", "concurrent", "datetime", "decimal", "fractions", "locale", "math", "os", "pathlib",
    "platform", "random", "secrets", "socket", "subprocess", "sys", "threading", "time", "uuid",
}  # fmt: skip
"""Modules through which a machine's clock, dice, disk, threads or settings come in."""

MAY_IMPORT = {
    "base/keyfile.py": {"os"},
    "base/sealing.py": {"os"},
    "base/shamir.py": {"os"},
    "base/signing.py": {"os"},
    "sealed/days.py": {"datetime"},
    "state/disk.py": {"pathlib"},
    "state/heap_file.py": {"pathlib"},
    "state/store.py": {"pathlib", "threading"},
}
"""Keys, seals and shares draw randomness when made; days are dates; the store is on a disk."""

BUILTINS = {"eval", "exec", "float", "hash", "id", "input", "open", "print"}
"""Differ from run to run, or touch the world."""


def imports(tree: ast.AST) -> Iterator[str]:
    """Top names of everything imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.split(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.split(".")[0]


def world(tree: ast.AST, name: str) -> Iterator[str]:
    """Imports of the world outside."""
    for one in sorted(set(imports(tree)) & WORLD - MAY_IMPORT.get(name, set())):
        yield f"imports {one}"


def floats(tree: ast.AST, name: str) -> Iterator[str]:
    """Floats, and the division that makes them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno}: the float {node.value}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not is_path(node, name):
            yield f"line {node.lineno}: a division; take // and say how it rounds"


def is_path(node: ast.BinOp, name: str) -> bool:
    """Whether `/` joins a path: only in the files that may, and only with a text behind it."""
    text = isinstance(node.right, ast.JoinedStr | ast.Name) or (
        isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
    )
    return text and "pathlib" in MAY_IMPORT.get(name, set())


def order(tree: ast.AST, _name: str) -> Iterator[str]:
    """Loops over sets, whose order differs from run to run."""
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=over) | ast.comprehension(iter=over) if is_set(over):
                yield f"line {over.lineno}: a loop over a set; sort it first"
            case _:
                pass


def is_set(over: ast.expr) -> bool:
    """Whether an expression plainly is a set."""
    match over:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case _:
            return False


def builtins(tree: ast.AST, _name: str) -> Iterator[str]:
    """Built-in functions that no rule may rest on."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield f"line {node.lineno}: {name}()"
            case _:
                pass


BANS: dict[str, Callable[[ast.AST, str], Iterator[str]]] = {
    "world": world,
    "floats": floats,
    "order": order,
    "builtins": builtins,
}


def broken(path: Path, ban: str) -> list[str]:
    """Where a file of the core breaks a ban."""
    name = path.relative_to(SOURCE).as_posix()
    return [f"{name}: {words}" for words in BANS[ban](ast.parse(path.read_text()), name)]


@pytest.mark.parametrize("ban", BANS)
def test_the_core_keeps_the_ban(ban: str) -> None:
    """Equal blocks over equal states give equal bytes on every machine."""
    assert [] == [words for path in sources(*CORE) for words in broken(path, ban)]


@pytest.mark.parametrize(
    ("ban", "line"),
    [
        ("world", "import time"),
        ("world", "from os import urandom"),
        ("floats", "HALF = 0.5"),
        ("floats", "half = rows / 2"),
        ("order", "pairs = [one for one in {2, 1}]"),
        ("order", "for one in set(rows): pass"),
        ("builtins", "place = hash(row)"),
    ],
)
def test_a_ban_catches_what_it_forbids(ban: str, line: str) -> None:
    """The control: one line of each kind."""
    assert list(BANS[ban](ast.parse(line), "machine/execute.py"))


@pytest.mark.parametrize("allowed", sorted(MAY_IMPORT))
def test_an_exception_is_still_needed(allowed: str) -> None:
    """An exception nobody uses hides the next mistake."""
    assert MAY_IMPORT[allowed] == set(imports(ast.parse((SOURCE / allowed).read_text()))) & WORLD


def test_every_domain_is_used() -> None:
    """A domain that signs and hashes nothing is left out until something does."""
    used = {
        domain
        for path in sources()
        if path.name != "hashing.py"
        for domain in domains_in(ast.parse(path.read_text()))
    }

    assert DOMAINS == used & DOMAINS, f"not used: {sorted(DOMAINS - used)}"


def domains_in(tree: ast.AST) -> Iterator[str]:
    """Names given to a function of domains, or set as a signed struct's `domain`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=function), args=[ast.Constant(value=str(name)), *_]):
                if function in ("domain", "domain_hash", "signed_bytes"):
                    yield name
            case ast.Call(
                func=ast.Attribute(attr="signed_bytes"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield name
            case ast.AnnAssign(target=ast.Name(id="domain"), value=ast.Constant(value=str(name))):
                yield name
            case _:
                pass


FILE_LINES_MAX = 400


def test_files_stay_small() -> None:
    """A reader holds a file in mind; what protoc wrote nobody reads."""
    long = [
        f"{name_of(path)}: {lines} lines"
        for path in sources()
        if not path.name.endswith("_pb2.py")
        and (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    ]

    assert [] == long
