"""
A demo network's first state: its founders with their keys, two issuers and a seat each.

Made from keys that lie in the clear, so it is a demo's and nobody else's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.base.errors import Category, Problem
from salus.base.hashing import domain_hash
from salus.base.signing import SigningKey
from salus.gateway.staff import Person
from salus.machine.genesis import FORMAT, Genesis, read_genesis, write_genesis
from salus.node.keys import MemberKeys
from salus.node.small_file import write_whole

ISSUER = 7
"""Role number of an issuer."""

NODE = 6
"""A node key's use on the ledger."""

POWER = 10
"""Each validator's weight: equal, as a hospital has one voice."""


@dataclass(frozen=True)
class Founder:
    """A member that is there from the first block."""

    title: str
    """As the ledger shows it."""

    keys: MemberKeys

    node: bytes | None = None
    """Its node key, 33 B, in a network; None where one member orders."""

    @property
    def mode(self) -> str:
        """The ledger's, as the genesis file says it."""
        return "embedded" if self.node is None else "network"


def genesis_file(path: Path, founders: Sequence[Founder], time_ms: int) -> bytes:
    """
    Read the network's genesis file, or make it at `time_ms`.

    Raises Problem GenesisDiffers: a file of other members, or of the other engine.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, write_genesis(_first_state(founders, time_ms)))
    data = path.read_bytes()
    found, wanted = read_genesis(data), _first_state(founders, time_ms)
    if (found.mode, found.members) != (wanted.mode, wanted.members):
        raise Problem(
            Category.CONFLICT,
            "GenesisDiffers",
            f"expected a genesis of mode {wanted.mode} with {len(wanted.members)} members whose "
            f"keys lie beside it, found one of mode {found.mode} with {len(found.members)}: choose "
            "another folder, or put back the files that belong together",
        )
    return data


def demo_issuers(house: bytes) -> list[Person]:
    """Two issuers of a member, made from its demo keys, so that any restart knows them."""
    return [
        Person(
            id=domain_hash("credential", house, bytes([number]))[:16],
            name=f"issuer {number + 1}",
            role=ISSUER,
            seed=domain_hash("credential", house, b"seed", bytes([number])),
        )
        for number in range(2)
    ]


def _first_state(founders: Sequence[Founder], time_ms: int) -> Genesis:
    return Genesis(
        format=FORMAT,
        name="salus demo",
        time_ms=time_ms,
        mode=founders[0].mode,
        version=1,
        members=[_first_member(one) for one in founders],
        parameters={},
        modules={
            "consent": [
                {"member": one.keys.member.hex(), "x": x} for x, one in enumerate(founders, start=1)
            ]
        },
    )


def _first_member(founder: Founder) -> dict[str, object]:
    keys = founder.keys
    public = {
        1: keys.transaction.public,
        2: keys.sealing.public,
        4: keys.service.public,
        5: keys.log.public,
    }
    if founder.node is not None:
        public[NODE] = founder.node
    member: dict[str, object] = {
        "name": founder.title,
        "keys": [{"use": use, "key": key.hex()} for use, key in public.items()],
        "issuers": [
            {
                "id": person.id.hex(),
                "key": SigningKey(person.seed).public.hex(),
                "credential": domain_hash("credential", person.id, b"demo").hex(),
            }
            for person in demo_issuers(keys.house)
        ],
    }
    return member if founder.node is None else {**member, "power": POWER}
