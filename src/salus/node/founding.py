"""
A network's genesis file, made of its founders' contributions.

Whoever has the same contributions makes the same file to the byte, so nobody need be believed who
made it: each founder makes or checks its own, and all compare the network id by eye.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from salus.base.errors import Category, Problem
from salus.base.signing import member_id
from salus.base.types import Text64
from salus.chain import machine
from salus.machine.execute import VERSION
from salus.machine.genesis import FORMAT, Genesis, first_rows, read_genesis, write_genesis
from salus.modules.consent.rules import SEATS_MAX
from salus.modules.governance.rules import VALIDATORS_MIN
from salus.modules.members.actions import first_key
from salus.modules.members.genesis import GenesisMember, admission
from salus.node.contribution import Contribution, fingerprint

POWER = 10
"""Each founder's weight: equal, as a hospital has one voice."""


@dataclass(frozen=True)
class Founder:
    """One line of what operators compare."""

    number: int
    name: str
    member: str
    """Id, hex."""

    address: str
    power: int
    fingerprint: str


def found(contributions: Sequence[Contribution], name: str) -> bytes:
    """
    Make the genesis file; `name`: the network's.

    Founders stand in the order of their ids; the time is that of the newest contribution; the first
    16 hold a witness's seat each. Raises Problem FoundersTooFew; GenesisMalformed: a member or a
    key stands in two contributions.
    """
    if len(contributions) < VALIDATORS_MIN:
        raise Problem(
            Category.INVALID,
            "FoundersTooFew",
            f"expected the contributions of at least {VALIDATORS_MIN} members, so that one may "
            f"fail, found {len(contributions)}",
        )
    founders = sorted(contributions, key=lambda one: one.id)
    data = write_genesis(
        Genesis(
            format=FORMAT,
            name=_checked_name(name),
            time_ms=max(one.made_ms for one in founders),
            mode="network",
            version=VERSION,
            members=[
                msgspec.to_builtins(msgspec.structs.replace(one.member, power=POWER))
                for one in founders
            ],
            parameters={},
            modules={
                "consent": [
                    {"member": one.id.hex(), "x": x}
                    for x, one in enumerate(founders[:SEATS_MAX], start=1)
                ]
            },
        )
    )
    first_rows(machine(), data)
    return data


def table(genesis: bytes) -> list[Founder]:
    """What operators compare of a genesis file; raises as `first_rows`."""
    first_rows(machine(), genesis)
    members = [msgspec.convert(one, GenesisMember) for one in read_genesis(genesis).members]
    return [_founder(number, one) for number, one in enumerate(members)]


def check(genesis: bytes, contributions: Sequence[Contribution]) -> None:
    """Raise Problem ContributionAbsent, ContributionChanged unless each stands there unchanged."""
    stands = {one.member: one.fingerprint for one in table(genesis)}
    for one in contributions:
        told = stands.get(one.id.hex())
        if told is None:
            raise Problem(
                Category.NOT_FOUND,
                "ContributionAbsent",
                f"expected {one.member.name} among the genesis file's members, found its id in no "
                "place: ask who made the file to make it again with this contribution",
            )
        if told != one.fingerprint:
            raise Problem(
                Category.UNVERIFIED,
                "ContributionChanged",
                f"expected {one.member.name}'s fingerprint {one.fingerprint}, found {told}: the "
                "file was not made of this contribution. Do not start with it; ask who made it",
            )


def _founder(number: int, entry: GenesisMember) -> Founder:
    admitted = admission(entry)
    return Founder(
        number=number,
        name=entry.name,
        member=member_id(first_key(admitted.keys) or b"").hex(),
        address=entry.address or "",
        power=entry.power,
        fingerprint=fingerprint(admitted),
    )


def _checked_name(name: str) -> str:
    try:
        return msgspec.convert(name, Text64)
    except msgspec.ValidationError:
        raise Problem(
            Category.MALFORMED, "NameMalformed", "expected a network's name of 1 to 64 characters"
        ) from None
