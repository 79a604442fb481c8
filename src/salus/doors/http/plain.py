"""
Values as JSON shows them: bytes in lower-case hex, structs by field name, nothing left out.

The consensus encoding is another one (`base.codec`); this is for readers.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from salus.base import codec
from salus.base.errors import Category, Problem


def plain(value: Any) -> Any:
    """The value as JSON types; a value of no known shape is shown by `str`."""
    if value is None or isinstance(value, bool | int | float | str):
        return str(value) if isinstance(value, enum.Enum) else value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return _fields(_tag(value), msgspec.structs.asdict(value))
    if dataclasses.is_dataclass(value):
        names = [one.name for one in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _fields({}, value._asdict())
    if isinstance(value, Mapping):
        return {_key(key): plain(one) for key, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(plain(one) for one in value)
    return [plain(one) for one in value] if isinstance(value, Sequence) else str(value)


def event(data: bytes) -> Any:
    """An event's canonical bytes as JSON types; any map of msgpack will do."""
    return plain(codec.decode_loose(data, Any))


def from_hex(text: str, width: int, what: str) -> bytes:
    """Bytes of `width` from hex (0: any); raises Problem ParameterMalformed."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = None
    if data is None or (width and len(data) != width):
        size = f"{2 * width} hex digits" if width else "pairs of hex digits"
        raise Problem(Category.MALFORMED, "ParameterMalformed", f"{what}: expected {size}")
    return data


def _fields(tag: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return tag | {name: plain(value) for name, value in values.items()}


def _tag(value: msgspec.Struct) -> dict[str, Any]:
    config = value.__struct_config__
    return {} if config.tag_field is None else {config.tag_field: config.tag}


def _key(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)
