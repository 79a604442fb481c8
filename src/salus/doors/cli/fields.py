"""
A message's fields from a command line: bytes in hex, numbers, text; lists and structs as JSON.

The message's own widths and ranges are checked as the machine will check them.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from salus.base.codec import Struct
from salus.base.errors import Category, Problem

Kind = TypeVar("Kind", bound=Struct)

SCALARS: dict[type[inspect.Type], type] = {
    inspect.BytesType: str,
    inspect.IntType: int,
    inspect.StrType: str,
    inspect.BoolType: bool,
}
"""How a field of this kind is written as an option; any other is JSON text."""


def option_kind(field: inspect.Field) -> type:
    """The type of a field's option."""
    return SCALARS.get(type(_inner(field.type)), str)


def message_of(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    """The message or action of what was given; raises Problem FieldMalformed, naming the field."""
    values: dict[str, Any] = {}
    for field in fields_of(kind):
        value = given.get(field.name)
        if value is None:
            continue
        inner = _inner(field.type)
        if type(inner) not in SCALARS:
            value = _json(value, field.name)
        values[field.encode_name] = _typed(value, inner, field.name)
    try:
        return msgspec.convert(values, kind, builtin_types=(bytes,), strict=True)
    except msgspec.ValidationError as error:
        # Its own words name the field and its bounds; the value stands in none of them.
        raise _malformed("a field", str(error)) from None


def fields_of(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    """Its fields as msgspec knows them."""
    return cast("inspect.StructType", inspect.type_info(kind)).fields


def _typed(value: Any, kind: inspect.Type, where: str) -> Any:
    """JSON types with hex turned into bytes wherever the type says so."""
    kind = _inner(kind)
    match kind:
        case inspect.BytesType():
            try:
                return bytes.fromhex(value)
            except (ValueError, TypeError):
                raise _malformed(where, "expected pairs of hex digits") from None
        case inspect.ListType(item_type=item) if isinstance(value, list):
            return [_typed(one, item, where) for one in value]
        case inspect.StructType(fields=fields) if isinstance(value, dict):
            kinds = {one.encode_name: one.type for one in fields}
            return {
                name: _typed(one, kinds[name], f"{where}.{name}") if name in kinds else one
                for name, one in value.items()
            }
        case _:
            return value


def _inner(kind: inspect.Type) -> inspect.Type:
    """The type itself, without "or none"."""
    if isinstance(kind, inspect.UnionType):
        found = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return found[0] if len(found) == 1 else kind
    return kind


def _json(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise _malformed(where, "expected JSON") from None


def _malformed(where: str, words: str) -> Problem:
    return Problem(Category.MALFORMED, "FieldMalformed", f"{where}: {words}")
