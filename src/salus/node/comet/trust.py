"""
Whom a syncing CometBFT believes: a block's hash that enough members state over their pinned lines.

f + 1 of 3f + 1, as for a snapshot's time (ADR 0015), and never fewer than two, since CometBFT's
light client compares what one member tells with what another does. Those members then answer it.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from salus.base.errors import Category, Problem
from salus.node.archive import Archive
from salus.node.comet.blocks import CommitAnswer, told
from salus.node.peers import Peer
from salus.node.snapshots import Meta

TWO_MORE_S = 60.0
"""How long to wait for the two blocks after the snapshot's: two heartbeats bring them."""

LOOK_S = 0.5

SERVERS_MIN = 2
"""CometBFT's light client takes no fewer."""

SERVERS_MAX = 4
"""It asks all of them for each header; more than two, since some may end meanwhile."""


@dataclass(frozen=True)
class Trust:
    """Where CometBFT's light client begins."""

    height: int
    """Of a block whose snapshot enough members state."""

    block: str
    """Hash of its header, 64 upper case hex."""

    servers: list[Peer]
    """Some of those who stated it."""


class Members:
    """The other members as `state_sync.Sources`."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        """`peers`: all of them; they are asked for their nodes' names."""
        self._archive = Archive(peers)
        found = {_node(peer): peer.member.hex() for peer in peers}
        self.nodes = {node: member for node, member in found.items() if node is not None}
        """Member id, hex, by node id, of those that told it."""

    def stand_behind(self, meta: Meta) -> bool:
        """Whether enough members' own copies state this app hash, height and time."""
        return self._archive.stand_behind(meta)

    def offering(self, data: bytes) -> list[str]:
        """Ids, hex, of the members that offer a snapshot of this metadata."""
        return [member.hex() for member in self._archive.offering(data)]

    def named(self, sender: str) -> str:
        """A sender's member id, hex, if it told its node; else the node's."""
        return self.nodes.get(sender, sender)


def find_trust(peers: Sequence[Peer]) -> Trust:
    """
    The newest block with a snapshot that enough members state, and its hash; waits for two more.

    Raises Problem NoSnapshot, NoTrust.
    """
    archive = Archive(peers)
    height = archive.newest().meta.height
    needed = max(archive.needed, SERVERS_MIN)
    _wait_above(archive, height + 1)
    hashes = {peer.member: _block_hash(peer, height) for peer in peers}
    counted = Counter(one for one in hashes.values() if one is not None)
    block, count = counted.most_common(1)[0] if counted else ("", 0)
    if count < needed:
        raise Problem(
            Category.UNAVAILABLE,
            "NoTrust",
            f"expected {needed} members whose CometBFT states the same hash of block {height}, "
            f"found {count}: start more members, or go without --fast (in a network: `salus "
            "network rejoin NAME`): all blocks are then fetched",
        )
    alike = [peer for peer in peers if hashes[peer.member] == block]
    return Trust(height, block, alike[:SERVERS_MAX])


def has_comet(peers: Sequence[Peer]) -> bool:
    """Whether any member that answers runs a CometBFT: members' own nodes order the blocks."""
    return any(_node(peer) is not None for peer in peers)


def _wait_above(archive: Archive, height: int) -> None:
    """CometBFT takes a snapshot only if two blocks stand on it."""
    end_s = time.monotonic() + TWO_MORE_S
    while max((one.height for one in archive.tips().values()), default=0) <= height:
        if time.monotonic() > end_s:
            raise Problem(
                Category.UNAVAILABLE,
                "NoTrust",
                f"expected a block above {height} within {TWO_MORE_S:.0f} s, found none: the "
                "network stands still; start more members",
            )
        time.sleep(LOOK_S)


def _block_hash(peer: Peer, height: int) -> str | None:
    found = told(peer, "commit", height, CommitAnswer)
    return None if found is None else found.signed_header.commit.block_id.hash


def _node(peer: Peer) -> str | None:
    found = told(peer, "status", 0, _Status)
    return None if found is None else found.node_info.id


class _NodeInfo(msgspec.Struct):
    id: str


class _Status(msgspec.Struct):
    node_info: _NodeInfo
