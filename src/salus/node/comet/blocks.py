"""
What the node's own CometBFT tells of its blocks, in the protobuf that a proof carries.

CometBFT answers in JSON, where numbers are texts and bytes are hex; hashes and votes are over
protobuf. Whoever hands a block on checks it first, so a difference is found here, not by a reader.
"""

import re
from calendar import timegm
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from salus.base.comet import wire
from salus.base.comet.commit import COMMITTED, Commit, Vote, holds, place_bytes, read_commit
from salus.base.comet.validators import Validator
from salus.base.errors import Category, Problem
from salus.base.proof_file import SignedHeader
from salus.base.signing import ED25519
from salus.node.comet import rpc
from salus.node.comet.light import LightAsked, Method, ask
from salus.node.peers import Peer

VALIDATORS_PER_PAGE = 100
"""CometBFT's largest page; a network has at most 64 members."""

T = TypeVar("T")

_FRACTION = re.compile(r"\.(\d{1,9})")


class Parts(msgspec.Struct):
    """Into how many parts a block was cut for its way, and their root."""

    total: int
    hash: str


class BlockId(msgspec.Struct):
    """What is voted for."""

    hash: str
    parts: Parts

    @property
    def message(self) -> bytes:
        """The `BlockID` message; it holds its parts even when there are none."""
        parts = wire.number(1, self.parts.total) + wire.part(2, bytes.fromhex(self.parts.hash))
        return wire.part(1, bytes.fromhex(self.hash)) + b"\x12" + wire.delimited(parts)


class Version(msgspec.Struct):
    """Of CometBFT's blocks, and the App's."""

    block: str = "0"
    app: str = "0"


class Header(msgspec.Struct):
    """A block's header."""

    version: Version
    chain_id: str
    height: str
    time: str
    last_block_id: BlockId
    last_commit_hash: str
    data_hash: str
    validators_hash: str
    next_validators_hash: str
    consensus_hash: str
    app_hash: str
    last_results_hash: str
    evidence_hash: str
    proposer_address: str

    @property
    def message(self) -> bytes:
        """The `Header` message."""
        version = wire.number(1, int(self.version.block)) + wire.number(2, int(self.version.app))
        hashes = (
            self.last_commit_hash, self.data_hash, self.validators_hash, self.next_validators_hash,
            self.consensus_hash, self.app_hash, self.last_results_hash, self.evidence_hash,
            self.proposer_address,
        )  # fmt: skip
        return (
            wire.part(1, version)
            + wire.part(2, self.chain_id.encode())
            + wire.number(3, int(self.height))
            + wire.part(4, timestamp(self.time))
            + wire.part(5, self.last_block_id.message)
            + b"".join(wire.part(at, bytes.fromhex(one)) for at, one in enumerate(hashes, 6))
        )


class Place(msgspec.Struct):
    """One validator's place in a commit."""

    block_id_flag: int
    validator_address: str
    timestamp: str
    signature: bytes | None

    @property
    def message(self) -> bytes:
        """A vote for the block as a `CommitSig` message; any other place is left empty."""
        if self.block_id_flag != COMMITTED or self.signature is None:
            return place_bytes(None)
        address, time = bytes.fromhex(self.validator_address), timestamp(self.timestamp)
        return place_bytes(Vote(address, time, self.signature))


class CommitJson(msgspec.Struct):
    """A commit."""

    height: str
    round: int
    block_id: BlockId
    signatures: list[Place]

    def read(self, validators: list[Validator], chain_id: str) -> bytes:
        """The `Commit` message, with the places of votes that do not hold left empty."""
        places = [one.message for one in self.signatures]
        commit = read_commit(self._message(places))
        return self._message(
            [
                place_bytes(vote if _is_sound(vote, commit, chain_id, validator) else None)
                for vote, validator in zip(commit.places, validators, strict=True)
            ]
        )

    def _message(self, places: list[bytes]) -> bytes:
        return (
            wire.number(1, int(self.height))
            + wire.number(2, self.round)
            + wire.part(3, self.block_id.message)
            + b"".join(wire.part(4, one) for one in places)
        )


class Key(msgspec.Struct):
    """A validator's key."""

    value: bytes


class ValidatorJson(msgspec.Struct):
    """A validator."""

    pub_key: Key
    voting_power: str


class HeaderAnswer(msgspec.Struct):
    """Of `header`."""

    header: Header


class SignedJson(msgspec.Struct):
    """Header and commit."""

    header: Header
    commit: CommitJson


class CommitAnswer(msgspec.Struct):
    """Of `commit`."""

    signed_header: SignedJson


class ValidatorsAnswer(msgspec.Struct):
    """Of `validators`."""

    validators: list[ValidatorJson]


class BlockReader:
    """Asks CometBFT over its Unix socket, on a connection a question; any thread."""

    def __init__(self, path: Path) -> None:
        """`path`: of the socket; need not be there yet."""
        self._path = path

    def header(self, height: int) -> Header:
        """The header at a height; raises Problem CometDown."""
        return self._ask("header", HeaderAnswer, height=height).header

    def signed(self, height: int) -> SignedHeader:
        """The final block at a height; raises Problem CometDown."""
        told = self._ask("commit", CommitAnswer, height=height).signed_header
        pages = {"height": height, "per_page": VALIDATORS_PER_PAGE}
        found = self._ask("validators", ValidatorsAnswer, **pages).validators
        return signed_header(told, found)

    def _ask(self, method: str, kind: type[T], **words: int) -> T:
        try:
            return rpc.ask(self._path, method, kind, **words)
        except rpc.UNANSWERED as error:
            raise Problem(
                Category.UNAVAILABLE,
                "CometDown",
                f"CometBFT does not tell its block ({type(error).__name__}); ask again",
            ) from None


def signed_header(told: SignedJson, found: Sequence[ValidatorJson]) -> SignedHeader:
    """A final block as a proof carries it."""
    validators = [
        Validator(bytes([ED25519]) + one.pub_key.value, int(one.voting_power)) for one in found
    ]
    return SignedHeader(
        commit=told.commit.read(validators, told.header.chain_id),
        header=told.header.message,
        validators=tuple(one.leaf for one in validators),
    )


def told(peer: Peer, method: Method, height: int, kind: type[T]) -> T | None:
    """What another member's CometBFT answers (0: of the newest); None if it is of no use."""
    asked = LightAsked(height=height, method=method, page=1, per_page=VALIDATORS_PER_PAGE)
    try:
        answer = msgspec.json.decode(ask(peer, asked), type=rpc.Answer)
        return msgspec.json.decode(answer.result, type=kind)
    except (Problem, msgspec.DecodeError):
        return None


def timestamp(text: str) -> bytes:
    """A time of RFC 3339, to the nanosecond, as a `Timestamp` message."""
    fraction = _FRACTION.search(text)
    nanos = int(fraction[1].ljust(9, "0")) if fraction else 0
    whole = datetime.fromisoformat(_FRACTION.sub("", text))
    return wire.number(1, timegm(whole.utctimetuple())) + wire.number(2, nanos)


def _is_sound(vote: Vote | None, commit: Commit, chain_id: str, validator: Validator) -> bool:
    """CometBFT's own rule takes a few signatures that libsodium, and so a reader, does not."""
    return vote is not None and holds(vote, commit, chain_id, validator)
