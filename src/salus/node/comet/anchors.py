"""
The comet anchor: what CometBFT's validators made final, as a proof's end (`ledger.md` §3.8).

The header at height H + 1 holds the app hash of height H, and with it log and state. The newest
one this node has covers every entry below it.

Links lead from the network's first validators to those of that header. They are found by halving,
so that neither a table nor a walk over all headers is needed.
"""

import threading
from collections.abc import Callable, Sequence

from salus.base.comet import proof
from salus.base.comet.commit import BlockRefused
from salus.base.comet.header import Header, read_header
from salus.base.comet.proof import KnownSet, read_block
from salus.base.errors import Category, Problem
from salus.base.proof_file import CometAnchor, SignedHeader
from salus.machine.tables import META
from salus.node.comet.app import chain_id
from salus.node.comet.blocks import BlockReader
from salus.node.comet.elsewhere import Blocks
from salus.node.comet.home import CometHome
from salus.node.ledger import Ledger
from salus.node.peers import Peer

NEXT_BLOCK_S = 5.0
"""How long to wait for the block after an entry's own; CometBFT makes it at once."""


class CometAnchors:
    """Of one node; any thread."""

    def __init__(
        self, ledger: Ledger, home: CometHome, peers: Callable[[], Sequence[Peer]]
    ) -> None:
        """CometBFT is asked when an anchor is wanted, then `peers`, for blocks it never had."""
        self._ledger = ledger
        self._reader = Blocks(BlockReader(home.rpc_socket), peers)
        self._lock = threading.Lock()
        self._start: Header | None = None
        self._reached: Header | None = None
        self._links: list[tuple[int, SignedHeader]] = []
        """With their heights: from the validators of `start` to those of `reached`."""

    def anchor(self, height: int, position: int) -> CometAnchor:
        """
        The anchor of entry `position` of the block at `height`.

        Raises Problem NextBlockMissing, CometDown, BlockUnsound.
        """
        newest = self._ledger.wait_above(height, NEXT_BLOCK_S).height
        if newest <= height:
            raise Problem(
                Category.UNAVAILABLE,
                "NextBlockMissing",
                "the block that confirms this one is not made yet; ask again",
            )
        entries = self._ledger.entries(height)
        index = self._ledger.record(height).log_size - len(entries) + position
        left = self._ledger.record(newest - 1)
        signed = self._reader.signed(newest)
        return CometAnchor(
            entry=entries[position],
            hashes=tuple(self._ledger.path(index, left.log_size)),
            index=index,
            links=tuple(self._links_to(signed)),
            log_root=left.log_root,
            log_size=left.log_size,
            signed=signed,
            state_root=left.state,
        )

    def _links_to(self, signed: SignedHeader) -> list[SignedHeader]:
        """The links below a block, checked with it as a reader does."""
        block = read_block(signed.header, signed.commit, signed.validators)
        height, name = block.header.height, chain_id(self._ledger.network)
        with self._lock:
            start = self._reach(block.header)
            links = [link for at, link in self._links if at < height]
        read = [read_block(one.header, one.commit, one.validators) for one in links]
        known = KnownSet(start.height, start.validators_hash)
        try:
            proof.check_final(block, name)
            proof.follow(known, read, block.header, name)
        except BlockRefused as error:
            raise Problem(
                Category.FAULT, "BlockUnsound", f"CometBFT's own block does not verify: {error}"
            ) from None
        return links

    def _reach(self, end: Header) -> Header:
        """Lengthen the links to the validators of `end`; returns the header they start at."""
        start = self._start = self._start or self._header(self._first_height())
        at = self._reached or start
        if at.height >= end.height:
            return start
        while at.validators_hash != end.validators_hash:
            last = self._last_of_set(at, end)
            link, at = self._reader.signed(last), self._header(last + 1)
            self._links.append((last, link))
            self._reached = at
        self._reached = end
        return start

    def _last_of_set(self, start: Header, end: Header) -> int:
        """A height from `start` on, below `end`, after which the validators of `start` change."""
        same, other = start.height, end.height
        while other - same > 1:
            middle = (same + other) // 2
            if self._header(middle).validators_hash == start.validators_hash:
                same = middle
            else:
                other = middle
        return same

    def _header(self, height: int) -> Header:
        return read_header(self._reader.header(height).message)

    def _first_height(self) -> int:
        meta = self._ledger.view().read(META)
        return 1 if meta is None else meta.initial_height
