"""
CometBFT's side of a proof, made by hand: headers, commits and validators, honest or not.

    chain = CometChain(keys(4))
    block = chain.block(7, app_hash=app_hash)      final at height 7, by all four
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from salus.base import merkle
from salus.base.comet import wire
from salus.base.comet.commit import PRECOMMIT, Vote, place_bytes, vote_bytes
from salus.base.comet.header import read_header
from salus.base.comet.validators import Validator, set_hash
from salus.base.hashing import sha256
from salus.base.proof_file import CometAnchor, SignedHeader
from salus.base.signing import SigningKey
from salus.client.trust import Anchor, CometTrust, Trust
from tests.support.proof_log import NETWORK, ProofLog

CHAIN_ID = "salus-test"
POWER = 10
STATE = sha256(b"state")
TIME = wire.number(1, 1_764_000_000) + wire.number(2, 5)
PARTS = b"\x12" + wire.delimited(wire.number(1, 1) + wire.part(2, sha256(b"parts")))

Change = Callable[["Votes"], None]


def keys(count: int, salt: int = 3) -> list[SigningKey]:
    """Node keys of counted seeds."""
    return [SigningKey(bytes([salt]) * 31 + bytes([number])) for number in range(count)]


@dataclasses.dataclass
class Votes:
    """What a commit is made of, before it is signed; a liar changes it."""

    height: int
    round: int
    block_hash: bytes
    chain_id: str
    signers: list[SigningKey | None]
    """Who signs in each place; None leaves it empty."""

    kind: int = PRECOMMIT

    @property
    def block_id(self) -> bytes:
        return wire.part(1, self.block_hash) + PARTS

    def commit(self, signed: "Votes | None" = None) -> bytes:
        """The `Commit`; `signed`: what the votes say instead."""
        said = signed or self
        data = vote_bytes(said.kind, said.height, said.round, said.block_id, TIME, said.chain_id)
        return (
            wire.number(1, self.height)
            + wire.number(2, self.round)
            + wire.part(3, self.block_id)
            + b"".join(wire.part(4, _place(one, data)) for one in self.signers)
        )


class CometChain:
    """A set of validators and the blocks they make final."""

    def __init__(
        self,
        signers: Sequence[SigningKey],
        powers: Sequence[int] | None = None,
        chain_id: str = CHAIN_ID,
    ) -> None:
        """`powers`: of each; all equal by default."""
        self.chain_id = chain_id
        weights = powers or [POWER] * len(signers)
        pairs = [
            (Validator(key.public, power), key) for key, power in zip(signers, weights, strict=True)
        ]
        pairs.sort(key=lambda pair: (-pair[0].power, pair[0].address))
        self.validators = [pair[0] for pair in pairs]
        self.signers = [pair[1] for pair in pairs]

    @property
    def hash(self) -> bytes:
        return set_hash(self.validators)

    @property
    def leaves(self) -> tuple[bytes, ...]:
        return tuple(one.leaf for one in self.validators)

    def header(
        self, height: int, app_hash: bytes = bytes(32), after: "CometChain | None" = None
    ) -> bytes:
        """The `Header`; `after`: the validators of the next block."""
        next_hash = (after or self).hash
        hashes = [sha256(b"%d" % at) for at in range(9)]
        hashes[2], hashes[3], hashes[5] = self.hash, next_hash, app_hash
        hashes[8] = self.validators[0].address
        return (
            wire.part(1, wire.number(1, 11))
            + wire.part(2, self.chain_id.encode())
            + wire.number(3, height)
            + wire.part(4, TIME)
            + wire.part(5, wire.part(1, sha256(b"last")) + PARTS)
            + b"".join(wire.part(at, one) for at, one in enumerate(hashes, 6))
        )

    def votes(self, header: bytes, voters: Iterable[int] | None = None) -> Votes:
        """Votes for a header; `voters`: the places that vote."""
        read = read_header(header)
        places = range(len(self.signers)) if voters is None else set(voters)
        signers = [one if at in places else None for at, one in enumerate(self.signers)]
        return Votes(read.height, 0, read.hash, read.chain_id, signers)

    def block(
        self,
        height: int,
        app_hash: bytes = bytes(32),
        after: "CometChain | None" = None,
        voters: Iterable[int] | None = None,
    ) -> SignedHeader:
        """A block; final if the voters are enough."""
        header = self.header(height, app_hash, after)
        return self.signed(header, self.votes(header, voters).commit())

    def signed(self, header: bytes, commit: bytes) -> SignedHeader:
        """Any header and commit, under these validators."""
        return SignedHeader(commit=commit, header=header, validators=self.leaves)


def _place(key: SigningKey | None, data: bytes) -> bytes:
    if key is None:
        return place_bytes(None)
    address = Validator(key.public, 1).address
    return place_bytes(Vote(address, TIME, key.sign(data)[1:]))


def app_hash(log: ProofLog, state_root: bytes) -> bytes:
    """What a block leaves behind, by its definition (`ledger.md` §3.4)."""
    hashes = log.hashes()
    root = merkle.root_of_hashes(hashes)
    return sha256(b"salus/1/app\x00", len(hashes).to_bytes(8, "big"), root, state_root)


def anchor(
    log: ProofLog,
    index: int,
    signed: SignedHeader,
    *,
    state_root: bytes = STATE,
    links: Sequence[SignedHeader] = (),
) -> CometAnchor:
    """The proof's end for an entry of the log as it stands."""
    hashes = log.hashes()
    return CometAnchor(
        entry=log.entries[index],
        hashes=tuple(merkle.path_of_hashes(hashes, index)),
        index=index,
        links=tuple(links),
        log_root=merkle.root_of_hashes(hashes),
        log_size=len(hashes),
        signed=signed,
        state_root=state_root,
    )


def trust_in(chain: CometChain, saved: Anchor | None = None) -> Trust:
    """Of who knows these validators from the first height on."""
    comet = CometTrust(chain.chain_id, 1, tuple(chain.validators))
    return Trust.of(NETWORK, "quorum none\n", saved, comet)
