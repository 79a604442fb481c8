"""
How a member that lost its disk comes back, before its node starts.

By a snapshot: minutes, whatever the ledger's age; the history follows in the background. Or by all
blocks, each executed here: the only way for the ordering member, whose journal is what the others
follow.
"""

from collections.abc import Sequence
from pathlib import Path

import structlog

from salus.base.errors import Category, Problem
from salus.machine.execute import Machine
from salus.node.archive import Archive, Stated
from salus.node.ledger import Ledger
from salus.node.mode import is_network
from salus.node.peers import Peer
from salus.node.replica import Replica
from salus.node.restore import restore
from salus.node.verify_pool import VerifyPool

log = structlog.get_logger()

STILL_S = 10.0
"""A source that brings no block for so long is given up for the next."""


def rejoin_by_snapshot(
    folder: Path, machine: Machine, genesis: bytes, peers: Sequence[Peer]
) -> Stated:
    """
    Restore the newest snapshot that enough members state into an empty node folder.

    Returns the block it is of. Raises Problem NoSnapshot, SnapshotMalformed.
    """
    archive = Archive(peers)
    offer = archive.newest()
    restore(folder, machine, genesis, offer.meta, archive.chunks(offer, folder / "snapshots"))
    log.info("rejoin.restored", height=offer.meta.height)
    return Stated(app=offer.meta.app_hash, height=offer.meta.height, time_ms=offer.meta.time_ms)


def rejoin_by_blocks(ledger: Ledger, peers: Sequence[Peer], *, despite_missing: bool) -> int:
    """
    Execute all blocks that any other member has; returns how many.

    For the ordering member: a block it answered for is in the copy of whoever got the answer. So
    all members must be asked: `despite_missing` goes on without those that do not answer, and then
    what only they have is lost. Ends with the block that moves the ledger into a network. Raises
    Problem MembersMissing, BlocksMissing.
    """
    tips = Archive(peers).tips()
    missing = [peer.member for peer in peers if peer.member not in tips]
    if missing and not despite_missing:
        raise Problem(
            Category.UNAVAILABLE,
            "MembersMissing",
            f"{len(missing)} members do not answer, first {missing[0].hex()}: start their nodes, "
            "or give --despite-missing: what only they have is then lost",
        )
    before = ledger.tip.height
    highest = max((tip.height for tip in tips.values()), default=0)
    pool = VerifyPool(ledger.network)
    try:
        for peer in peers:
            if peer.member in tips:
                _follow(ledger, peer, tips[peer.member].height, pool)
    finally:
        pool.close()
    if ledger.tip.height < highest and not is_network(ledger.view()):
        raise Problem(
            Category.UNAVAILABLE,
            "BlocksMissing",
            f"expected {highest} blocks, and no member brought more than {ledger.tip.height}: see "
            "the log, and start the members whose history is complete",
        )
    return ledger.tip.height - before


def has_blocks(peers: Sequence[Peer]) -> bool:
    """Whether any member that answers has a block."""
    return any(tip.height for tip in Archive(peers).tips().values())


def _follow(ledger: Ledger, peer: Peer, height: int, pool: VerifyPool) -> None:
    """Execute what this member brings, until it has no more, or none that is sound."""
    replica = Replica(ledger, peer, pool)
    try:
        while (before := ledger.tip.height) < height:
            after = ledger.wait_above(before, STILL_S).height
            if replica.failure is not None or after == before:
                log.warning("rejoin.source_dropped", member=peer.member.hex(), height=before)
                return
    finally:
        replica.close()
