"""
A final block: header, commit and validators that belong together, and chains of them.

Who trusts a set of validators can follow it forward: a header signed by the set names the next set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from salus.base import merkle
from salus.base.comet.commit import BlockRefused, Commit, Tally, check_votes, read_commit
from salus.base.comet.header import Header, read_header
from salus.base.comet.validators import Validator, read_set


@dataclass(frozen=True)
class FinalBlock:
    """Read, not yet checked."""

    header: Header
    commit: Commit
    validators: list[Validator]
    validators_hash: bytes
    """Of the leaves in their given order; 32 B."""


@dataclass(frozen=True)
class KnownSet:
    """A validator set that is trusted from a height on."""

    height: int
    hash: bytes


def read_block(header: bytes, commit: bytes, validators: Sequence[bytes]) -> FinalBlock:
    """Read the three messages; raises WireRefused."""
    return FinalBlock(
        read_header(header), read_commit(commit), read_set(validators), merkle.root(validators)
    )


def check_header(block: FinalBlock, chain_id: str) -> None:
    """Check that the votes are for this header, and it is of this chain; raises BlockRefused."""
    header, commit = block.header, block.commit
    if header.hash != commit.block_hash or header.height != commit.height:
        raise BlockRefused("votes for this header", "votes for another")
    if header.chain_id != chain_id:
        raise BlockRefused("a header of your chain", "one of another")


def check_set(block: FinalBlock) -> None:
    """Check that the validators are the header's; raises BlockRefused."""
    if block.validators_hash != block.header.validators_hash:
        raise BlockRefused("the validators of the header", "others")


def check_final(block: FinalBlock, chain_id: str) -> Tally:
    """Check all of a block; raises BlockRefused."""
    check_header(block, chain_id)
    check_set(block)
    return check_votes(block.commit, chain_id, block.validators)


def follow(known: KnownSet, links: Sequence[FinalBlock], newest: Header, chain_id: str) -> None:
    """
    Check that `newest` is signed by the known set, or by one that links lead to from it.

    A link is a final block of the set known so far, and its `next_validators_hash` names the next
    one. Links below the known set's height are passed over: a set that was replaced, and whose keys
    may be stolen since, leads nowhere. Raises BlockRefused.
    """
    heights = [*(link.header.height for link in links), newest.height]
    if any(one >= after for one, after in pairwise(heights)):
        raise BlockRefused("links in order of height, below the header", "another order")
    trusted = known.hash
    for link in links:
        if link.header.height < known.height:
            continue
        if link.header.validators_hash != trusted:
            raise BlockRefused("a link from the set known so far", "one from another")
        check_final(link, chain_id)
        trusted = link.header.next_validators_hash
    if newest.validators_hash != trusted:
        raise BlockRefused("validators you trust, or links that lead to them", "others")
