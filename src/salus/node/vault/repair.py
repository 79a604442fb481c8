"""
Repair: what this member should hold and lacks is fetched from those who have it.

The author and the highest scores of `placement` hold a container; every seat holds its shares. What
a peer sends is believed only under the ledger's root. Probes ask others for what they gave receipts
for, so that a receipt for a container that is not there does not stay hidden (`ledger.md` §5.9).
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.modules.records import queries as records
from salus.node.peers import Peer
from salus.node.vault.holdings import Holdings, sound
from salus.node.vault.index import Row
from salus.node.vault.messages import (
    GET,
    HOLDS,
    BatchAsked,
    ContainerFound,
    HoldsAsked,
    HoldsFound,
)
from salus.node.vault.placement import holders
from salus.sealed import container as containers
from salus.sealed.container import Container


@dataclass(slots=True)
class RepairReport:
    """What a repair found and did; batches and members by id."""

    checked: int = 0
    """Committed batches looked at."""

    fetched: list[bytes] = field(default_factory=list)
    """Containers that were lacking or damaged, and are here now."""

    shares: list[bytes] = field(default_factory=list)
    """Batches whose shares of the own seat are here now."""

    missing: list[bytes] = field(default_factory=list)
    """Batches nobody gave a sound copy of."""

    blamed: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(member, batch): sent something else, or wrote false shares."""


def repair(holdings: Holdings, peers: Sequence[Peer], *, deep: bool) -> RepairReport:
    """Fetch, check and store all that should be here; `deep`: read all that is here first."""
    holdings.follow()
    if deep:
        for _ in holdings.inspect():
            """Each finding is noted in the index as it is found."""
    view = holdings.ledger.view()
    ways = {peer.member: peer for peer in peers if peer.member != holdings.identity.member}
    report = RepairReport()
    for row in holdings.index.committed():
        report.checked += 1
        lacks, lacks_shares = _lacks(holdings, view, row)
        if lacks or lacks_shares:
            _mend(holdings, view, ways, row, report, keep=lacks)
    return report


def probe(holdings: Holdings, peers: Sequence[Peer], count: int) -> list[tuple[bytes, bytes]]:
    """
    Ask peers for random items of `count` random batches held here; (member, batch) that failed.

    Only members that gave a receipt are asked; one that is down is not blamed.
    """
    view = holdings.ledger.view()
    everybody = members.admitted(view)
    committed = [row for row in holdings.index.committed() if row.held]
    failed = []
    for row in _sample(committed, count):
        container = holdings.served(row.batch)
        batch = records.batch(view, row.batch)
        if container is None or batch is None:
            continue
        stored = {everybody[number] for number in batch.stored}
        failed += [
            (peer.member, row.batch)
            for peer in peers
            if peer.member in stored and not _proves(peer, container)
        ]
    return failed


def _lacks(holdings: Holdings, view: View, row: Row) -> tuple[bool, bool]:
    """Whether the container, and whether the own seat's shares, should be here and are not."""
    me = holdings.identity.member
    placed = holders(row.batch, row.author, members.roster(view), records.copies_needed(view))
    held = holdings.shares.batch(row.batch)
    lacks_shares = held is None or held.root != row.root
    return not row.held and me in placed, lacks_shares and _is_seated(view, me, row)


def _is_seated(view: View, me: bytes, row: Row) -> bool:
    """Whether a batch may hold shares for this member; its container decides."""
    if row.seat is not None:
        return row.seat > 0
    seats = consent.seats(view)
    return seats is not None and any(holder.member == me for holder in seats.holders)


def _mend(
    holdings: Holdings,
    view: View,
    ways: Mapping[bytes, Peer],
    row: Row,
    report: RepairReport,
    *,
    keep: bool,
) -> None:
    data = holdings.objects.get(row.batch.hex()) if row.held else None
    container = None if data is None else containers.parse(data)
    if container is None:
        fetched = _fetch(view, ways, row, report)
        if fetched is None:
            report.missing.append(row.batch)
            return
        container, data = fetched
    if keep and data is not None:
        holdings.keep(view, container, data)
        report.fetched.append(row.batch)
    _mend_shares(holdings, view, container, report)


def _mend_shares(
    holdings: Holdings, view: View, container: Container, report: RepairReport
) -> None:
    batch = container.head.batch
    x = holdings.seat_in(view, container)
    if x is None:
        holdings.index.seat(batch, 0)
        return
    held = holdings.shares.batch(batch)
    if held is not None and held.root == container.root:
        return
    try:
        holdings.keep_shares(container, x, holdings.shares.open_shares(container, x))
    except Problem:
        report.blamed.append((container.head.author, batch))
        return
    report.shares.append(batch)


def _fetch(
    view: View, ways: Mapping[bytes, Peer], row: Row, report: RepairReport
) -> tuple[Container, bytes] | None:
    """Ask the author, then the others by score; the first sound copy counts."""
    roster = members.roster(view)
    for member in holders(row.batch, row.author, roster, len(roster)):
        peer = ways.get(member)
        data = None if peer is None else _ask(peer, row.batch)
        if data is None:
            continue
        try:
            return sound(view, data, row.batch, row.root), data
        except Problem:
            report.blamed.append((member, row.batch))
    return None


def _ask(peer: Peer, batch: bytes) -> bytes | None:
    """A peer's copy, or None: it has none, or does not answer."""
    try:
        answer = peer.call(GET, codec.encode(BatchAsked(batch=batch)))
        return codec.decode(answer, ContainerFound).container
    except (Problem, Malformed):
        return None


def _proves(peer: Peer, container: Container) -> bool:
    salt = os.urandom(32)
    item = int.from_bytes(os.urandom(4), "big") % len(container.items)
    expected = hashlib.sha256(salt + container.items[item]).digest()
    asked = HoldsAsked(batch=container.head.batch, item=item, salt=salt)
    try:
        answer = codec.decode(peer.call(HOLDS, codec.encode(asked)), HoldsFound)
    except Malformed:
        return False
    except Problem as problem:
        return problem.category in (Category.UNAVAILABLE, Category.BUSY)
    return answer.digest == expected


def _sample(rows: Sequence[Row], count: int) -> Iterator[Row]:
    """Up to `count` different rows, drawn at random."""
    left = list(rows)
    for _ in range(min(count, len(left))):
        yield left.pop(int.from_bytes(os.urandom(8), "big") % len(left))
