"""
What a module must have, told in plain words: for `tests/house/test_modules.py`.

Each check returns sentences of what is missing; none means the module is complete.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from salus.machine.module import Module, snake_case, tag_of

FILES = (
    "README.md",
    "__init__.py",
    "module.py",
    "messages.py",
    "refusals.py",
    "events.py",
    "state.py",
    "rules.py",
    "handlers.py",
    "queries.py",
    "invariants.py",
)

HEADINGS = (
    "What it is for",
    "State",
    "Messages, refusals in order, events",
    "Queries",
    "Invariants",
    "Privacy",
)


def lacks(module: Module, source: Path, tests: Path, workloads: Path) -> list[str]:
    """
    All that one module lacks.

    `source`: the module's folder; `tests`: its test folder; `workloads`: the folder of workloads.
    """
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        return [f"{module.name}: no file {name} in its folder" for name in missing]
    readme = (source / "README.md").read_text()
    tested = "".join(path.read_text() for path in sorted(tests.glob("*.py")))
    found = [
        *_readme(module, readme),
        *_handlers(module, readme),
        *_tests(module, tested),
        *_docs(module),
    ]
    if not (workloads / f"{module.name}.py").is_file():
        found.append(f"no workload tests/workloads/{module.name}.py")
    if not module.invariants:
        found.append("it declares no invariant")
    return [f"{module.name}: {words}" for words in found]


def clash(modules: Sequence[Module]) -> list[str]:
    """What two modules both claim."""
    found = []
    numbers: dict[int, str] = {}
    for module in modules:
        other = numbers.setdefault(module.number, module.name)
        if other != module.name:
            found.append(f"number {module.number} is {other}'s and {module.name}'s")
    names = [module.name for module in modules]
    found += [f"two modules are called {one}" for one in sorted({*names}) if names.count(one) > 1]
    return found


def _readme(module: Module, readme: str) -> Iterator[str]:
    headings = re.findall(r"^## (.+)$", readme, re.MULTILINE)
    for heading in HEADINGS:
        if heading not in headings:
            yield f"README has no heading '{heading}'"
    for table in module.tables:
        if f"| {table.module}/{table.number} | `{table.name}` |" not in readme:
            yield f"README's State has no row '{table.module}/{table.number}' for {table.name}"
    for kind in (*module.messages, *module.events, *module.actions):
        if f"`{tag_of(kind)}`" not in readme:
            yield f"README does not mention `{tag_of(kind)}`"
    for refusal in module.refusals:
        if f"{refusal.number} {refusal.__name__}" not in readme:
            yield f"README does not mention refusal '{refusal.number} {refusal.__name__}'"
    for parameter in module.parameters:
        if f"`{parameter.name}`" not in readme:
            yield f"README does not mention parameter `{parameter.name}`"
    for query in module.queries:
        if f"{query.__name__}(" not in readme:
            yield f"README's Queries do not mention {query.__name__}(...)"


def _handlers(module: Module, readme: str) -> Iterator[str]:
    numbers = {refusal.__name__: refusal.number for refusal in module.refusals}
    seen: dict[int, str] = {}
    for refusal in module.refusals:
        other = seen.setdefault(refusal.number, refusal.__name__)
        if other != refusal.__name__:
            yield f"refusal number {refusal.number} is {other}'s and {refusal.__name__}'s"
    for message in module.messages:
        handler = getattr(module.handlers, snake_case(message.__name__), None)
        if handler is None:
            yield f"message {message.__name__} has no handler {snake_case(message.__name__)}"
            continue
        told = _order_of(handler.__doc__ or "", numbers)
        written = _order_in(readme, tag_of(message))
        if told != written:
            yield (
                f"{message.__name__}: the handler's docstring refuses in the order {told}, "
                f"README in the order {written}"
            )


def _tests(module: Module, tested: str) -> Iterator[str]:
    for refusal in module.refusals:
        if not re.search(rf"\b{refusal.__name__}\b", tested):
            yield f"refusal {refusal.__name__} has no row in tests/modules/{module.name}"
    for kind in (*module.messages, *module.actions):
        if not re.search(rf"\b{kind.__name__}\b", tested):
            yield f"{kind.__name__} is not tested in tests/modules/{module.name}"


def _docs(module: Module) -> Iterator[str]:
    for kind in (*module.messages, *module.events, *module.actions, *module.refusals):
        if "__doc__" not in vars(kind) or not kind.__doc__:
            yield f"{kind.__name__} has no docstring"
    for function in (*module.queries, *module.invariants):
        if not function.__doc__:
            yield f"{function.__name__} has no docstring"


def _order_of(docstring: str, numbers: dict[str, int]) -> list[int]:
    _, _, order = " ".join(docstring.split()).partition("Refuses")
    return [numbers[word] for word in re.findall(r"[A-Z]\w+", order) if word in numbers]


def _order_in(readme: str, tag: str) -> list[int]:
    row = re.search(rf"^\| `{re.escape(tag)}`[^|]*\|([^|]*)\|", readme, re.MULTILINE)
    if row is None:
        return []
    pieces = re.split("[,;:]", re.sub(r"\([^)]*\)", "", row[1]))
    return [int(number[0]) for piece in pieces if (number := re.search(r"\d+", piece))]
