"""
Final blocks that the own CometBFT does not have, since it began with a snapshot: asked of others.

A header is believed if f + 1 of 3f + 1 members tell it alike; of its commit and validators those
are taken that verify, as whoever reads the proof will check them again.
"""

from collections.abc import Callable, Sequence

from salus.base.comet import proof
from salus.base.comet.commit import BlockRefused
from salus.base.comet.header import read_header
from salus.base.comet.proof import read_block
from salus.base.comet.wire import WireRefused
from salus.base.errors import Category, Problem
from salus.base.proof_file import SignedHeader
from salus.node.comet.blocks import (
    BlockReader,
    CommitAnswer,
    Header,
    SignedJson,
    ValidatorsAnswer,
    signed_header,
    told,
)
from salus.node.peers import Peer


class Blocks:
    """The own CometBFT's, else the other members'; any thread."""

    def __init__(self, own: BlockReader, peers: Callable[[], Sequence[Peer]]) -> None:
        """`peers`: all other members, as of now."""
        self._own = own
        self._peers = peers

    def header(self, height: int) -> Header:
        """The header at a height; raises Problem CometDown."""
        try:
            return self._own.header(height)
        except Problem:
            (one, _), *_ = self._agreed(height)
            return one.header

    def signed(self, height: int) -> SignedHeader:
        """The final block at a height; raises Problem CometDown."""
        try:
            return self._own.signed(height)
        except Problem:
            for one, peer in self._agreed(height):
                found = told(peer, "validators", height, ValidatorsAnswer)
                block = None if found is None else _sound(one, found)
                if block is not None:
                    return block
            raise

    def _agreed(self, height: int) -> list[tuple[SignedJson, Peer]]:
        """Who tells the header that enough members tell alike."""
        peers = self._peers()
        alike: dict[bytes, list[tuple[SignedJson, Peer]]] = {}
        for peer in peers:
            answer = told(peer, "commit", height, CommitAnswer)
            if answer is not None:
                one = answer.signed_header
                alike.setdefault(_hash(one.header), []).append((one, peer))
        alike.pop(b"", None)
        most = max(alike.values(), key=len, default=[])
        if len(most) < len(peers) // 3 + 1:
            raise Problem(
                Category.UNAVAILABLE,
                "CometDown",
                f"this member's CometBFT has no block {height}, and too few others tell it alike; "
                "ask again, or ask another member",
            )
        return most


def _hash(header: Header) -> bytes:
    """Of the header; empty if it is none."""
    try:
        return read_header(header.message).hash
    except (WireRefused, ValueError):
        return b""


def _sound(one: SignedJson, found: ValidatorsAnswer) -> SignedHeader | None:
    """The final block if more than two thirds of these validators signed it."""
    try:
        block = signed_header(one, found.validators)
        read = read_block(block.header, block.commit, block.validators)
        proof.check_final(read, one.header.chain_id)
    except (BlockRefused, WireRefused, ValueError):
        return None
    return block
