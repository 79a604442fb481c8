"""
A validator set: keys with power, whose hash stands in every block header.

The hash is the RFC 6962 root over one `SimpleValidator` {key, power} each, the strongest first,
equals by address. A proof carries just these leaves: nothing in it is without effect.

Source: CometBFT v0.39, `proto/tendermint/types/validator.proto`, `types/validator_set.go`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from salus.base import merkle
from salus.base.comet import wire
from salus.base.comet.wire import Kind, WireRefused
from salus.base.hashing import sha256
from salus.base.signing import ED25519

KEY_BYTES = 32
ADDRESS_BYTES = 20

_ED25519 = 1
"""Field of an Ed25519 key in CometBFT's `PublicKey`; other kinds of key are refused."""


@dataclass(frozen=True)
class Validator:
    """Who votes, and how much it counts."""

    key: bytes
    """Algorithm byte 1 ‖ 32 B."""

    power: int
    """Above 0."""

    @property
    def address(self) -> bytes:
        """CometBFT's name of the key; 20 B."""
        return sha256(self.key[1:])[:ADDRESS_BYTES]

    @property
    def leaf(self) -> bytes:
        """The validator as its set's hash takes it."""
        return wire.part(1, wire.part(_ED25519, self.key[1:])) + wire.number(2, self.power)


def read_set(leaves: Sequence[bytes]) -> list[Validator]:
    """Read a set's leaves; raises WireRefused: form, none, a key that stands twice, no power."""
    found = [_read(leaf) for leaf in leaves]
    if not found or len({one.key for one in found}) != len(found):
        raise WireRefused("no validators, or one that stands twice")
    return found


def set_hash(validators: Iterable[Validator]) -> bytes:
    """The hash of a set, whatever the order it is given in; 32 B."""
    ordered = sorted(validators, key=lambda one: (-one.power, one.address))
    return merkle.root([one.leaf for one in ordered])


def _read(leaf: bytes) -> Validator:
    fields = wire.read(leaf, {1: Kind.BYTES, 2: Kind.NUMBER})
    key = wire.read(fields.part(1), {_ED25519: Kind.BYTES}).part(_ED25519)
    if len(key) != KEY_BYTES or not fields.number(2):
        raise WireRefused("a validator without an Ed25519 key or without power")
    return Validator(key=bytes([ED25519]) + key, power=fields.number(2))
