"""
The comet anchor: what CometBFT's validators made final, as a proof's end (`ledger.md` §3.8).

The header at height H + 1 holds the app hash of height H, and with it log and state. The newest
one this node has covers every entry below it.

Links lead from the network's first validators to those of that header. They are found by halving,
so that neither a table nor a walk over all headers is needed.
"""

import threading

from salus.base.comet import proof
from salus.base.comet.commit import BlockRefused
from salus.base.comet.header import Header, read_header
from salus.base.comet.proof import KnownSet, read_block
from salus.base.errors import Category, Fault, Problem
from salus.base.proof_file import CometAnchor, SignedHeader
from salus.machine.tables import META
from salus.node.comet.app import chain_id
from salus.node.comet.blocks import BlockReader
from salus.node.comet.home import CometHome
from salus.node.ledger import Ledger

NEXT_BLOCK_S = 5.0
"""How long to wait for the block after an entry's own; CometBFT makes it at once."""


class CometAnchors:
    """Of one node; any thread."""

    def __init__(self, ledger: Ledger, home: CometHome) -> None:
        """CometBFT is asked when an anchor is wanted; until then it need not run."""
        self._ledger = ledger
        self._reader = BlockReader(home.rpc_socket)
        self._lock = threading.Lock()
        self._links: list[SignedHeader] = []
        self._reached: Header | None = None
        """The links lead to the validators of this header."""

    def anchor(self, height: int, position: int) -> CometAnchor:
        """
        The anchor of entry `position` of the block at `height`.

        Raises Problem NextBlockMissing, CometDown.
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

    def close(self) -> None:
        """Close the connections to CometBFT."""
        self._reader.close()

    def _links_to(self, signed: SignedHeader) -> list[SignedHeader]:
        """The links to a block at or above all those before, checked as a reader does."""
        block = read_block(signed.header, signed.commit, signed.validators)
        with self._lock:
            start = self._header(self._first_height())
            at = self._reached or start
            while at.validators_hash != block.header.validators_hash:
                last = self._last_of_set(at, block.header)
                self._links.append(self._reader.signed(last))
                at = self._header(last + 1)
            self._reached = at
            links = list(self._links)
        name = chain_id(self._ledger.network)
        read = [read_block(one.header, one.commit, one.validators) for one in links]
        try:
            proof.check_final(block, name)
            proof.follow(KnownSet(start.height, start.validators_hash), read, block.header, name)
        except BlockRefused as error:
            raise Fault(f"CometBFT's own block does not verify: {error}") from None
        return links

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
