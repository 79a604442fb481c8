"""
CometBFT's block header: its hash is the RFC 6962 root over its 14 fields, each in protobuf.

A header at height h + 1 holds the app hash that the block at h left behind, the hash of the
validators who sign it, and the hash of those who sign the next one.

Source: CometBFT v0.39, `proto/tendermint/types/types.proto`, `spec/core/data_structures.md`.
"""

from dataclasses import dataclass

from salus.base import merkle
from salus.base.comet import wire
from salus.base.comet.wire import Kind, WireRefused

HASH_BYTES = 32

_HEIGHT, _CHAIN = 3, 2
_NESTED = (1, 4, 5)
"""Version, time, last block id: messages, hashed as they stand; all else is wrapped once more."""

_SHAPE = {at: Kind.NUMBER if at == _HEIGHT else Kind.BYTES for at in range(1, 15)}


@dataclass(frozen=True)
class Header:
    """What a proof needs of a header."""

    hash: bytes
    """Of the whole header, 32 B: what validators vote for."""

    chain_id: str
    height: int
    app_hash: bytes
    validators_hash: bytes
    """Of the set that signs this block."""

    next_validators_hash: bytes
    """Of the set that signs the block after it."""


def read_header(data: bytes) -> Header:
    """Read a `Header` message; raises WireRefused: form, hashes of another length, text."""
    fields = wire.read(data, _SHAPE)
    try:
        chain_id = fields.part(_CHAIN).decode()
    except UnicodeDecodeError:
        raise WireRefused("a chain id that is no text") from None
    validators, next_validators, app_hash = (fields.part(at) for at in (8, 9, 11))
    if {HASH_BYTES} != {len(one) for one in (validators, next_validators, app_hash)}:
        raise WireRefused("a hash that has not 32 bytes")
    return Header(
        hash=merkle.root([_leaf(fields, at) for at in _SHAPE]),
        chain_id=chain_id,
        height=fields.number(_HEIGHT),
        app_hash=app_hash,
        validators_hash=validators,
        next_validators_hash=next_validators,
    )


def _leaf(fields: wire.Fields, at: int) -> bytes:
    if at == _HEIGHT:
        return wire.number(1, fields.number(at))
    return fields.part(at) if at in _NESTED else wire.part(1, fields.part(at))
