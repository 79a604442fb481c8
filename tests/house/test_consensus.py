"""What stands in consensus bytes has one form on every machine, whoever declares it."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

import salus
from salus.base.codec import Struct
from salus.chain import machine
from salus.sealed.acts import SignedStruct

NAME = re.compile(r"[a-z0-9_]{1,23}")
"""Short plain names: one MessagePack head (fixstr) each, and one order everywhere."""

ALLOWED = (
    inspect.BoolType, inspect.BytesType, inspect.IntType, inspect.ListType, inspect.LiteralType,
    inspect.NoneType, inspect.RawType, inspect.StrType, inspect.StructType, inspect.UnionType,
)  # fmt: skip
"""No float, map, set, date, decimal or Any: each has more than one encoding, or none we fixed."""


JSON = ("salus.base.proof_file", "salus.client.trust")
"""Files for people and their tools: JSON, whose one form is checked where they are read."""


def import_all() -> None:
    """Load every file of the package, so that every struct is known; extras may be missing."""
    for module in pkgutil.walk_packages(salus.__path__, "salus."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("salus"):
                raise


def below(kind: type[Struct]) -> Iterator[type[Struct]]:
    """Every struct of ours derived from one, itself not included."""
    for derived in kind.__subclasses__():
        if derived.__module__.startswith("salus."):
            yield derived
        yield from below(derived)


import_all()
STRUCTS = sorted(
    {kind for kind in below(Struct) if kind.__module__ not in JSON},
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)
SIGNED = [kind for kind in STRUCTS if issubclass(kind, SignedStruct) and "domain" in vars(kind)]


def faults(kind: type[Struct]) -> list[str]:
    """What breaks the rules of the encoding, with its place."""
    return list(_faults(inspect.type_info(kind), kind.__name__, ()))


def _faults(info: inspect.Type, place: str, above: tuple[type, ...]) -> Iterator[str]:
    if not isinstance(info, ALLOWED):
        yield f"{place}: {type(info).__name__} has no place in consensus bytes"
    match info:
        case inspect.StructType(cls=cls) if cls in above:
            yield f"{place}: holds itself, so its depth has no bound"
        case inspect.StructType():
            for field in info.fields:
                where = f"{place}.{field.encode_name}"
                yield from _field_faults(field, where)
                yield from _faults(field.type, where, (*above, info.cls))
        case inspect.ListType():
            yield from _faults(info.item_type, f"{place}[]", above)
        case inspect.UnionType():
            for one in info.types:
                yield from _faults(one, place, above)
        case _:
            pass


def _field_faults(field: inspect.Field, where: str) -> Iterator[str]:
    if not NAME.fullmatch(field.encode_name):
        yield f"{where}: a field's name is 1-23 of a-z, 0-9 and _"
    if not field.required and field.default is not None:
        yield f"{where}: the only default is None, else an absent field has a second meaning"


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_struct_has_one_encoding(kind: type[Struct]) -> None:
    """No floats, maps, recursion or defaults but None; short plain names."""
    assert [] == faults(kind)


class Bad(Struct, frozen=True):
    """Everything that is forbidden."""

    amount: float
    longer_than_twenty_three_: int
    words: dict[str, int]
    count: int = 0
    itself: "Bad | None" = None


def test_what_is_forbidden_is_found() -> None:
    """The control: each rule catches the struct that breaks it."""
    found = "\n".join(faults(Bad))

    for words in (
        "Bad.amount: FloatType has no place",
        "longer_than_twenty_three_: a field's name is",
        "Bad.words: DictType has no place",
        "Bad.count: the only default is None",
        "Bad.itself: holds itself",
    ):
        assert words in found


def test_every_struct_refuses_what_it_does_not_know() -> None:
    """An unknown field is a refusal, and unset ones are left out: both are set once, in `codec`."""
    strange = [
        kind.__name__
        for kind in STRUCTS
        if not (kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen)
    ]

    assert [] == strange


def test_table_prefixes_are_unique() -> None:
    """Two tables under one prefix would read each other's rows."""
    prefixes: dict[bytes, str] = {}
    twice = [
        f"{table.name} and {other}: {table.module}/{table.number}"
        for table in machine().tables
        if (other := prefixes.setdefault(table.prefix, table.name)) != table.name
    ]

    assert [] == twice


ASKED_AT_A_DOOR = {"request"}
"""
Shared by questions that a member's door answers and no state keeps.

Each demands one of the fields that name its subject, which the others do not know.
"""


def test_a_signed_struct_has_its_domain() -> None:
    """No bytes signed as one thing can pass for another: one domain an act (corrections 22)."""
    counts = Counter(kind.domain for kind in SIGNED)

    assert ASKED_AT_A_DOOR >= {domain for domain, count in counts.items() if count > 1}


def test_tags_are_unique() -> None:
    """A message, event or action is known by its tag alone."""
    tags: dict[tuple[Any, Any], str] = {}
    twice = []
    for kind in STRUCTS:
        config = kind.__struct_config__
        if config.tag is None:
            continue
        other = tags.setdefault((config.tag_field, config.tag), kind.__name__)
        if other != kind.__name__:
            twice.append(f"{config.tag_field} {config.tag}: {other} and {kind.__name__}")

    assert [] == twice
