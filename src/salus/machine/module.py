"""
What a module declares; everything a user meets of it is derived from this.

HTTP routes, OpenAPI, CLI commands, reference pages, genesis export, proofs and workloads read these
declarations. A contradiction is refused when the machine is built, before any block is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import msgspec

from salus.base.codec import Struct
from salus.base.errors import Refusal, invariant
from salus.state.tables import Table


class Message(Struct, frozen=True, tag_field="do"):
    """What may be asked; its `do` is `module.snake_case_of_class`."""


class Event(Struct, frozen=True, tag_field="event"):
    """What is told; its `event` is `module.snake_case_of_class`."""


class Action(Struct, frozen=True, tag_field="act"):
    """What members may vote into being; its `act` is `module.snake_case`."""


@dataclass(frozen=True)
class ActionRule:
    """How a voted action is checked and done; both may raise the module's refusals."""

    validate: Callable[[Any, Any], None]
    """(context, action): raises a Refusal if it could not be done now."""

    apply: Callable[[Any, Any], None]
    """(context, action): does it; called only after every action of the proposal was validated."""

    subject: Callable[[Any], bytes | None]
    """action -> the member it is about, who may not vote on it; None if about nobody."""


@dataclass(frozen=True)
class Parameter:
    """A number that members may set by vote, with its range."""

    name: str
    default: int
    least: int
    most: int
    words: str


@dataclass(frozen=True)
class Agenda:
    """What falls due by height; asked at the start of each block."""

    next_due: Callable[[Any], int | None]
    """(view) -> height of the next due entry, or None."""

    apply_due: Callable[[Any], None]
    """(context): do all that is due at the context's height."""


@dataclass(frozen=True)
class Module:
    """One domain of the machine."""

    number: int
    name: str
    messages: tuple[type[Message], ...]
    handlers: ModuleType
    """Holds one function a message, named in snake_case: `record_line(ctx, message)`."""

    refusals: tuple[type[Refusal], ...]
    events: tuple[type[Event], ...]
    tables: tuple[Table[Any], ...]
    queries: tuple[Callable[..., Any], ...] = ()
    """Functions `(view, *key parts)`; the only way for others to read this module's state."""

    actions: Mapping[type[Action], ActionRule] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    genesis: Callable[[Any, Any], None] | None = None
    """(context, the module's section of the genesis file): the first rows."""

    agenda: Agenda | None = None
    active: Callable[[Any, bytes], bool] | None = None
    """(view, member) -> may its keys sign? Declared by exactly one module."""

    lifetime_ms: Callable[[Any], int] | None = None
    """(view) -> how long a transaction may wait, ms; declared by at most one module."""

    evidence: Callable[[Any, Any], None] | None = None
    """(context, `block.Evidence`): tell it at the block's start, before what falls due."""

    invariants: tuple[Callable[..., None], ...] = ()
    """Functions `(rows by table name)` that raise if what must always hold does not."""

    def handler(self, message: type[Message]) -> Callable[[Any, Any], None]:
        """The function that handles a message."""
        handler: Callable[[Any, Any], None] = getattr(self.handlers, snake_case(message.__name__))
        return handler


def check_modules(modules: tuple[Module, ...]) -> None:
    """Refuse contradictions between declarations; raises Fault with the place in words."""
    numbers = [module.number for module in modules]
    invariant(len(set(numbers)) == len(numbers), f"module numbers used twice: {numbers}")
    names = [module.name for module in modules]
    invariant(len(set(names)) == len(names), f"module names used twice: {names}")
    for module in modules:
        # Codes stay below 32,000: CometBFT reads higher ones as "try again".
        invariant(1 <= module.number <= 31, f"{module.name}: a number outside 1 to 31")
        _check_names(module)
        _check_refusals(module)
        _check_tables(module)
    invariant(sum(module.active is not None for module in modules) <= 1, "two modules say `active`")


def snake_case(name: str) -> str:
    """`RecordLine` -> `record_line`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def tag_of(kind: type[Struct]) -> str:
    """The text in a tagged struct's tag field."""
    tag = msgspec.inspect.type_info(kind).tag  # type: ignore[attr-defined]  # a struct's info has it
    return str(tag)


def _check_names(module: Module) -> None:
    for kind in (*module.messages, *module.events, *module.actions):
        expected = f"{module.name}.{snake_case(kind.__name__)}"
        invariant(tag_of(kind) == expected, f"{kind.__name__}: its tag is not {expected}")
    for message in module.messages:
        name = snake_case(message.__name__)
        invariant(hasattr(module.handlers, name), f"{module.name}: no handler {name}")


def _check_refusals(module: Module) -> None:
    seen: dict[int, str] = {}
    for refusal in module.refusals:
        invariant(1 <= refusal.number <= 999, f"{refusal.__name__}: a number outside 1 to 999")
        other = seen.setdefault(refusal.number, refusal.__name__)
        invariant(
            other == refusal.__name__,
            f"{module.name}: number {refusal.number} is {other}'s and {refusal.__name__}'s",
        )
        refusal.module = module.number


def _check_tables(module: Module) -> None:
    prefixes = [table.prefix for table in module.tables]
    invariant(len(set(prefixes)) == len(prefixes), f"{module.name}: a table number used twice")
    for table in module.tables:
        invariant(table.module == module.number, f"{table.name}: not this module's number")
        invariant(table.name.startswith(f"{module.name}."), f"{table.name}: not this module's name")
