"""
A commit: the votes that made a block final, one place for each validator, in the set's order.

A vote signs the length-prefixed `CanonicalVote` {type, height, round, block id, time, chain id},
which is rebuilt here from the commit; block id and time are taken as they stand, so that one byte
written otherwise breaks every signature.

A place is empty or a vote for the block. Votes for nothing ("nil") count for nothing, so a proof
leaves their places empty.

Source: CometBFT v0.39, `proto/tendermint/types/canonical.proto`, `types/validation.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from salus.base import signing
from salus.base.comet import wire
from salus.base.comet.header import HASH_BYTES
from salus.base.comet.validators import Validator
from salus.base.comet.wire import Kind, WireRefused
from salus.base.signing import ED25519, SignatureRefused

PRECOMMIT = 2
"""`SignedMsgType` of the vote that makes a block final."""

ABSENT, COMMITTED = 1, 2
"""`BlockIDFlag`: no vote here; a vote for the block."""

NO_TIME = wire.number(1, 2**64 - 62_135_596_800)
"""Go's zero time as a protobuf `Timestamp`: the year 1, seconds before 1970 as a varint."""

EMPTY_PLACE = wire.number(1, ABSENT) + wire.part(3, NO_TIME)
"""The one form of a place without a vote."""

SIGNATURE_BYTES = 64


class BlockRefused(Exception):
    """A block is not final, or not where it would have to be."""

    def __init__(self, expected: str, found: str) -> None:
        """All words are ours."""
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True)
class Vote:
    """One validator's vote for the block."""

    address: bytes
    time: bytes
    """A protobuf `Timestamp`, as signed."""

    signature: bytes
    """64 B."""


@dataclass(frozen=True)
class Commit:
    """The votes of one round at one height."""

    height: int
    round: int
    block_id: bytes
    """The `BlockID` message, as signed."""

    block_hash: bytes
    """The header hash inside it."""

    places: tuple[Vote | None, ...]


@dataclass(frozen=True)
class Tally:
    """Whose votes were found."""

    voters: int
    validators: int
    power: int
    total: int


def read_commit(data: bytes) -> Commit:
    """Read a `Commit` message; raises WireRefused: form, a block id or place of another kind."""
    shape = {1: Kind.NUMBER, 2: Kind.NUMBER, 3: Kind.BYTES, 4: Kind.REPEATED}
    fields = wire.read(data, shape)
    block_id = fields.part(3)
    block_hash = wire.read(block_id, {1: Kind.BYTES, 2: Kind.BYTES}).part(1)
    if len(block_hash) != HASH_BYTES:
        raise WireRefused("a block id without a header's hash")
    return Commit(
        height=fields.number(1),
        round=fields.number(2),
        block_id=block_id,
        block_hash=block_hash,
        places=tuple(_read_place(one) for one in fields.all(4)),
    )


def check_votes(commit: Commit, chain_id: str, validators: Sequence[Validator]) -> Tally:
    """
    Check that more than two thirds of the set's power voted for the commit's block.

    Each validator has one place, so none counts twice. Raises BlockRefused: another number of
    places, another validator's vote, a signature that does not hold, too little power.
    """
    if len(commit.places) != len(validators):
        raise BlockRefused("one place for each validator", "another number of places")
    voted = []
    for vote, validator in zip(commit.places, validators, strict=True):
        if vote is None:
            continue
        if vote.address != validator.address:
            raise BlockRefused("each vote in its validator's place", "one in another's")
        if not holds(vote, commit, chain_id, validator):
            raise BlockRefused("votes that hold", "one that does not")
        voted.append(validator)
    power, total = (sum(one.power for one in some) for some in (voted, validators))
    if 3 * power <= 2 * total:
        raise BlockRefused(f"votes of more than 2/3 of power {total}", f"votes of power {power}")
    return Tally(len(voted), len(validators), power, total)


def holds(vote: Vote, commit: Commit, chain_id: str, validator: Validator) -> bool:
    """Whether the signature is this validator's over this commit's block."""
    data = vote_bytes(PRECOMMIT, commit.height, commit.round, commit.block_id, vote.time, chain_id)
    try:
        signing.verify(validator.key, bytes([ED25519]) + vote.signature, data)
    except SignatureRefused:
        return False
    return True


def vote_bytes(
    kind: int, height: int, round_: int, block_id: bytes, time: bytes, chain_id: str
) -> bytes:
    """The bytes a vote signs; no block id: a vote for nothing."""
    return wire.delimited(
        wire.number(1, kind)
        + wire.fixed(2, height)
        + wire.fixed(3, round_)
        + wire.part(4, block_id)
        + wire.part(5, time)
        + wire.part(6, chain_id.encode())
    )


def place_bytes(vote: Vote | None) -> bytes:
    """A place as a `CommitSig` message."""
    if vote is None:
        return EMPTY_PLACE
    return (
        wire.number(1, COMMITTED)
        + wire.part(2, vote.address)
        + wire.part(3, vote.time)
        + wire.part(4, vote.signature)
    )


def _read_place(data: bytes) -> Vote | None:
    if data == EMPTY_PLACE:
        return None
    shape = {1: Kind.NUMBER, 2: Kind.BYTES, 3: Kind.BYTES, 4: Kind.BYTES}
    fields = wire.read(data, shape)
    if fields.number(1) != COMMITTED or len(fields.part(4)) != SIGNATURE_BYTES:
        raise WireRefused("a place that is neither empty nor a vote for the block")
    return Vote(fields.part(2), fields.part(3), fields.part(4))
