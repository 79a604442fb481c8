"""
The reference pages under `docs/reference/`, made from declarations: what there is, complete.

    python -m tools.reference_docs            writes the pages
    python -m tools.reference_docs --check    exits 1 and names the pages that are stale

A page a module (messages, refusals, events, tables, queries, parameters, actions), one of all
routes, one of all commands. Words come from docstrings: a page is corrected where it is declared.
"""

import ast
import inspect
import sys
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from litestar import Litestar
from typer.main import get_command

from salus.base.errors import Refusal
from salus.chain import machine
from salus.doors.cli.acts import GROUPS
from salus.doors.cli.main import app
from salus.doors.http.describe import described_app
from salus.doors.http.queries import query_parameters
from salus.machine.module import Module, snake_case, tag_of
from salus.machine.refusals import REFUSALS
from salus.state.tables import VARIABLE_BYTES_MAX, Part, Table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTICE = "<!-- Made by `python -m tools.reference_docs`: change docstrings, not this page. -->\n"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    # Building the machine gives refusals their numbers.
    modules = machine().modules
    made = {f"{module.name}.md": _module_page(module) for module in modules}
    made["machine.md"] = _machine_page()
    made["http.md"] = _http_page(described_app(modules))
    made["commands.md"] = _commands_page()
    made["README.md"] = _index(sorted(made))
    return made


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of pages that are missing, differ, or are made no more."""
    made = pages()
    there = {path.name: path.read_text() for path in folder.glob("*.md")}
    return sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))


def main() -> None:
    """Write or check."""
    if "--check" in sys.argv[1:]:
        found = stale()
        for name in found:
            print(f"docs/reference/{name} is stale: run python -m tools.reference_docs")
        sys.exit(1 if found else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale():
        (FOLDER / name).unlink(missing_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


def _index(names: Iterable[str]) -> str:
    lines = [f"- [{name.removesuffix('.md')}]({name})" for name in names]
    return NOTICE + "# Reference\n\nComplete, and made from the code.\n\n" + "\n".join(lines) + "\n"


def _machine_page() -> str:
    words = (
        "Checked for every transaction, in this order, before any module sees it.\n"
        "Codes 1 to 14 leave the nonce unspent.\n"
    )
    return f"{NOTICE}# machine\n\n{words}\n{_refusals(REFUSALS)}"


def _module_page(module: Module) -> str:
    group = GROUPS.get(module.name, module.name)
    parts = [
        f"{NOTICE}# {module.name}\n\nModule number {module.number}.\n",
        "## Messages\n",
        *(
            f"### `{tag_of(one)}`\n\n{_words(one)}\n\nCommand: "
            f"`salus {group} {snake_case(one.__name__).replace('_', '-')}`\n{_fields(one)}"
            for one in module.messages
        ),
        "## Refusals\n",
        _refusals(module.refusals),
        "## Events\n",
        *(f"### `{tag_of(one)}`\n\n{_words(one)}\n{_fields(one)}" for one in module.events),
        "## Tables\n",
        *(_table(one) for one in module.tables),
        "## Queries\n",
        *(_query(module, one) for one in module.queries),
        *_optional("## Parameters set by vote\n", _parameters(module)),
        *_optional(
            "## Actions voted on\n",
            [f"### `{tag_of(one)}`\n\n{_words(one)}\n{_fields(one)}" for one in module.actions],
        ),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _optional(heading: str, parts: list[str]) -> list[str]:
    return [heading, *parts] if parts else []


def _parameters(module: Module) -> list[str]:
    if not module.parameters:
        return []
    rows = [
        f"| `{one.name}` | {one.default} | {one.least}–{one.most} | {one.words} |"
        for one in module.parameters
    ]
    head = "| name | default | range | meaning |\n| --- | --- | --- | --- |\n"
    return [head + "\n".join(rows) + "\n"]


def _refusals(refusals: Iterable[type[Refusal]]) -> str:
    rows = [
        f"| {one.module * 1000 + one.number} | {one.__name__} | {one.category.http_status} | "
        f"{_first(one)} |"
        for one in refusals
    ]
    head = "| code | name | HTTP | meaning |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


def _table(table: Table[Any]) -> str:
    parts = ", ".join(f"{one.name} ({_width(one)})" for one in table.parts)
    place = f"{table.prefix[0]}/{table.prefix[1]}"
    key = f"Key: {parts}." if parts else "One row, without a key."
    return f"### `{table.name}` ({place})\n\n{_words(table.row)}\n{key}\n{_fields(table.row)}"


def _width(part: Part) -> str:
    if part.is_number:
        return f"u{8 * part.width}"
    return f"{part.width or f'1–{VARIABLE_BYTES_MAX}'} B"


def _query(module: Module, query: Callable[..., Any]) -> str:
    asked = "&".join(f"{name}=…" for name, _, _ in query_parameters(query))
    route = f"/v1/{module.name}/{query.__name__}" + (f"?{asked}" if asked else "")
    return f"### `{query.__name__}`\n\n{_words(query)}\n\n`GET {route}`\n"


def _fields(kind: type) -> str:
    rows = list(_declared(kind))
    if not rows:
        return ""
    head = "\n| field | type | meaning |\n| --- | --- | --- |\n"
    cells = (f"| `{name}` | `{_cell(shown)}` | {_cell(words)} |" for name, shown, words in rows)
    return head + "\n".join(cells) + "\n"


def _declared(kind: type) -> Iterator[tuple[str, str, str]]:
    """(name, type as written, the docstring under it) of a class's own fields."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(body, ast.ClassDef):
        return
    for at, node in enumerate(body.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            after = body.body[at + 1] if at + 1 < len(body.body) else None
            yield node.target.id, ast.unparse(node.annotation), _docstring(after)


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _words(thing: object) -> str:
    return inspect.cleandoc(typing.cast("str", getattr(thing, "__doc__", "") or ""))


def _first(thing: object) -> str:
    return _cell(" ".join(_words(thing).split("\n\n")[0].split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _http_page(door: Litestar) -> str:
    schema: Mapping[str, Any] = door.openapi_schema.to_schema()
    words = (
        "Beside each path stands the same under `/<member>` for every member of the process.\n"
        'A "no" is a problem document (RFC 9457).\n'
    )
    parts = [f"{NOTICE}# HTTP\n\n{words}"]
    for path, item in sorted(schema["paths"].items()):
        for method, operation in item.items():
            parts.append(f"## `{method.upper()} {path}`\n\n{operation.get('description', '')}\n")
            parts += [_parameter(one) for one in operation.get("parameters", [])]
    return "\n".join(parts).rstrip() + "\n"


def _parameter(one: Mapping[str, Any]) -> str:
    words = one.get("description") or "see above"
    needed = "required" if one.get("required") else "optional"
    return f"- `{one['name']}` ({one['in']}, {needed}): {words}\n"


def _commands_page() -> str:
    parts = [f"{NOTICE}# Commands\n\n`salus COMMAND --help` shows the options.\n"]
    parts += list(_commands(get_command(app), "salus"))
    return "\n".join(parts).rstrip() + "\n"


def _commands(command: Any, path: str) -> Iterator[str]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield f"## `{path}`\n\n{inspect.cleandoc(command.help or '')}\n"
    for name, one in inner.items():
        yield from _commands(one, f"{path} {name}")


if __name__ == "__main__":
    main()
