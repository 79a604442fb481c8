"""
Members as CometBFT sees them: validators by key and power, addresses of 20 bytes.

An address is the start of SHA-256 over the bare Ed25519 key (CometBFT's `crypto/ed25519`); a
member's node key is its validator's key and names its node among peers, so one table says both who
votes and who may connect.
"""

from collections.abc import Sequence

from salus.base.hashing import sha256
from salus.machine.block import Evidence
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import NODE
from salus.node.comet.abci_pb2 import Misbehavior, MisbehaviorType, PublicKey, ValidatorUpdate

NOBODY = bytes(16)
"""Stands in evidence against an address that no member ever had."""


def address(key: bytes) -> bytes:
    """The 20 bytes that name a node key (33 B) in CometBFT."""
    return sha256(key[1:])[:20]


def node_id(key: bytes) -> str:
    """A node's name among its peers; 40 hex."""
    return address(key).hex()


def validators(view: View) -> list[ValidatorUpdate]:
    """All validators, by their key's bytes."""
    return [_update(key, power) for key, power in sorted(_powers(view).items())]


def changes(before: View, after: View) -> list[ValidatorUpdate]:
    """What a block changed in the set; power 0 takes a key out. By the key's bytes."""
    old, new = _powers(before), _powers(after)
    changed = {key: new.get(key, 0) for key in old | new if old.get(key) != new.get(key)}
    return [_update(key, power) for key, power in sorted(changed.items())]


def may_connect(view: View, peer_id: str) -> bool:
    """Whether a node of this name belongs to an active member."""
    return any(
        node_id(key) == peer_id
        for member in members.roster(view)
        for key in members.keys(view, member, NODE, view.time_ms)
    )


def evidence(view: View, told: Sequence[Misbehavior]) -> list[Evidence]:
    """The machine's evidence, in the given order; addresses are those of all node keys ever."""
    if not told:
        return []
    known = owners(view)
    return [
        Evidence(
            member=known.get(one.validator.address, NOBODY),
            height=one.height,
            kind=MisbehaviorType.Name(one.type).lower(),
        )
        for one in told
    ]


def owners(view: View) -> dict[bytes, bytes]:
    """Address -> member, of every node key there ever was."""
    found: dict[bytes, bytes] = {}
    for member in members.admitted(view):
        for generation in range(members.ring(view, member, NODE).count):
            row = members.key(view, member, NODE, generation)
            if row is not None:
                found[address(row.key)] = member
    return found


def _powers(view: View) -> dict[bytes, int]:
    return {one.key: one.power for one in members.validators(view)}


def _update(key: bytes, power: int) -> ValidatorUpdate:
    return ValidatorUpdate(pub_key=PublicKey(ed25519=key[1:]), power=power)
