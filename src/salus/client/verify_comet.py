"""Steps 4 to 8 under a block of CometBFT: what its header holds, who voted, why they count."""

import dataclasses

from salus.base.comet import proof
from salus.base.comet.commit import Tally, check_votes
from salus.base.comet.proof import FinalBlock, KnownSet
from salus.base.hashing import domain_hash, u64
from salus.base.proof_file import CometAnchor, SignedHeader
from salus.client.steps import AGAIN, EXPORT, NEWER, OTHER, Backing, Place, step
from salus.client.trust import CometTrust, Trust
from salus.client.verified import Unverified


@dataclasses.dataclass(frozen=True)
class CometEnd:
    """A comet anchor, read."""

    place: Place
    state_root: bytes
    block: FinalBlock
    links: list[FinalBlock]

    @classmethod
    def read(cls, anchor: CometAnchor) -> "CometEnd":
        """Read the anchor's messages; raises WireRefused."""
        size, root = anchor.log_size, anchor.log_root
        return cls(
            Place(anchor.entry, anchor.index, anchor.hashes, size, root),
            anchor.state_root,
            _read(anchor.signed),
            [_read(link) for link in anchor.links],
        )

    def check(self, trust: Trust, _now_ms: int | None) -> Backing:
        """Steps 4 to 8; raises Unverified."""
        comet, header = trust.comet, self.block.header
        if comet is None:
            raise Unverified(4, "validators in your trust file", "none", EXPORT)
        if header.app_hash != self._app_hash():
            raise Unverified(4, "a header that holds this log and state", "another", AGAIN)
        votes = self._check_block(comet)
        known = trust.known_set(comet)
        step(8, lambda: proof.follow(known, self.links, header, comet.chain_id), NEWER)
        seen = KnownSet(header.height, header.validators_hash)
        return Backing(header.chain_id, votes=votes, validators=seen)

    def _app_hash(self) -> bytes:
        return domain_hash("app", u64(self.place.size), self.place.root, self.state_root)

    def _check_block(self, comet: CometTrust) -> Tally:
        block, chain_id = self.block, comet.chain_id
        step(5, lambda: proof.check_header(block, chain_id), OTHER)
        step(6, lambda: proof.check_set(block), AGAIN)
        return step(7, lambda: check_votes(block.commit, chain_id, block.validators), OTHER)


def _read(signed: SignedHeader) -> FinalBlock:
    return proof.read_block(signed.header, signed.commit, signed.validators)
