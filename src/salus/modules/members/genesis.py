"""The first members, from the genesis file's `members`."""

from typing import Annotated, Any, TypeVar

import msgspec

from salus.base import codec
from salus.base.errors import Refusal
from salus.machine.context import Context
from salus.machine.tables import META
from salus.modules.members import actions, queries
from salus.modules.members.actions import Admit, NewIssuer, NewKey, SetPower

T = TypeVar("T")

Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]


class GenesisKey(msgspec.Struct, forbid_unknown_fields=True):
    """A key, 33 B in hex."""

    use: int
    key: Hex


class GenesisIssuer(msgspec.Struct, forbid_unknown_fields=True):
    """An issuer: id 16 B, key 33 B, credential 32 B, in hex."""

    id: Hex
    key: Hex
    credential: Hex


class GenesisMember(msgspec.Struct, forbid_unknown_fields=True):
    """A member as the file holds it; fields as in `Admit`."""

    name: str
    keys: list[GenesisKey]
    address: str | None = None
    power: int = 0
    issuers: list[GenesisIssuer] = []


def first_members(ctx: Context, section: Any) -> None:
    """
    Put the file's members in order, numbers from 0.

    Raises ValueError, Malformed: a section of another form, what a vote would refuse, no member, or
    a network without a node that has weight.
    """
    for entry in msgspec.convert(section, list[GenesisMember]):
        try:
            _put(ctx, entry)
        except Refusal as refusal:
            raise ValueError(f"member {entry.name!r}: {refusal}") from refusal
    if not queries.roster(ctx):
        raise ValueError("expected at least one member")
    meta = ctx.read(META)
    if meta is not None and meta.mode == "network" and not queries.validators(ctx):
        raise ValueError("a network needs a member with a node key (use 6) and power above 0")


def admission(entry: GenesisMember) -> Admit:
    """The vote that would take in this member; raises codec.Malformed for widths out of range."""
    return _checked(
        Admit(
            name=entry.name,
            keys=[NewKey(use=one.use, key=bytes.fromhex(one.key)) for one in entry.keys],
            issuers=[_issuer(one) for one in entry.issuers],
            address=entry.address or None,
        )
    )


def _put(ctx: Context, entry: GenesisMember) -> None:
    admitted = admission(entry)
    actions.check_admit(ctx, admitted)
    actions.admit(ctx, admitted)
    if entry.power:
        member = queries.admitted(ctx)[-1]
        weight = _checked(SetPower(member=member, power=entry.power))
        actions.check_set_power(ctx, weight)
        actions.set_power(ctx, weight)


def _issuer(entry: GenesisIssuer) -> NewIssuer:
    return NewIssuer(
        id=bytes.fromhex(entry.id),
        key=bytes.fromhex(entry.key),
        credential=bytes.fromhex(entry.credential),
    )


def _checked(action: T) -> T:
    # A struct made in Python is not held to its schema; one that was read is.
    return codec.decode(codec.encode(action), type(action))
