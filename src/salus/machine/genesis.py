"""
The genesis file: the first members, keys and numbers every node starts from.

JSON {format, name, time_ms, mode, version, members, parameters, modules}, equal byte for byte to
its own canonical form: sorted keys, two spaces, ASCII escapes, bytes in lower-case hex, newline.
Network id = SHA-256(D("genesis") ‖ file bytes).
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.hashing import domain_hash
from salus.base.types import Text64, TimeMs
from salus.machine.context import Context
from salus.machine.execute import VERSION, Machine
from salus.machine.tables import META, Meta
from salus.state.overlay import Overlay

FORMAT = "salus-genesis/1"


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's contents."""

    format: str
    name: Text64
    time_ms: TimeMs
    mode: str
    version: int
    members: list[dict[str, Any]]
    """Each {name, address, keys: [{use, key}], issuers?}; `modules/members/genesis.py` reads it."""

    parameters: dict[str, int]
    """Values that differ from the defaults."""

    modules: dict[str, Any]
    """Further first rows, by module name."""


def write_genesis(genesis: Genesis) -> bytes:
    """The file's canonical bytes."""
    plain = msgspec.to_builtins(genesis)
    return (json.dumps(plain, sort_keys=True, indent=2) + "\n").encode("ascii")


def read_genesis(data: bytes) -> Genesis:
    """Read the file; raises Problem GenesisMalformed, GenesisNotCanonical, GenesisVersion."""
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _problem("GenesisMalformed", f"expected a {FORMAT} file; {error}") from None
    if genesis.format != FORMAT or genesis.mode not in ("embedded", "network"):
        raise _problem("GenesisMalformed", f"expected format {FORMAT}, mode embedded or network")
    if write_genesis(genesis) != data:
        raise _problem(
            "GenesisNotCanonical",
            "the file differs from its canonical form (sorted keys, two spaces, ASCII, newline)",
        )
    if not 1 <= genesis.version <= VERSION:
        raise _problem("GenesisVersion", f"expected a version of 1 to {VERSION}")
    return genesis


def network_id(data: bytes) -> bytes:
    """SHA-256(D("genesis") ‖ file bytes); 32 B."""
    return domain_hash("genesis", data)


def first_rows(machine: Machine, data: bytes) -> dict[bytes, bytes | None]:
    """The state before the first block: state key -> canonical row."""
    genesis = read_genesis(data)
    overlay = Overlay(lambda _key: None)
    ctx = Context(
        overlay,
        network=network_id(data),
        height=0,
        time_ms=genesis.time_ms,
        declared=machine.declared,
    )
    ctx.write(META, Meta(initial_height=1, mode=genesis.mode, version=genesis.version))
    own: dict[str, Any] = {"members": genesis.members, "governance": genesis.parameters}
    takers = {module.name for module in machine.modules if module.genesis is not None}
    if strange := sorted(set(genesis.modules) - (takers - set(own))):
        raise _problem("GenesisMalformed", f"no modules that take a section: {strange}")
    sections = {**genesis.modules, **own}
    for module in machine.modules:
        if module.genesis is not None:
            _apply(module.genesis, ctx, sections.get(module.name), module.name)
    return overlay.changes()


def _apply(hook: Callable[[Any, Any], None], ctx: Context, section: object, name: str) -> None:
    try:
        hook(ctx, section)
    except (codec.Malformed, msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
        raise _problem("GenesisMalformed", f"section of {name}: {error}") from error


def _problem(name: str, text: str) -> Problem:
    return Problem(Category.MALFORMED, name, text)
