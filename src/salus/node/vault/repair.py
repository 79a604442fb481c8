"""
Repair: what this member should hold and lacks is fetched from those who have it.

The author, the highest scores of `placement` and whoever gave a receipt hold a container; every
seat holds its shares. What a peer sends is believed only under the ledger's root.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Problem
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.modules.records import queries as records
from salus.node.peers import Peer
from salus.node.vault.holdings import Holdings, sound
from salus.node.vault.index import Row
from salus.node.vault.messages import GET, BatchAsked, ContainerFound
from salus.node.vault.placement import holders, promised
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


def lacking(holdings: Holdings) -> list[bytes]:
    """Batches of which the container, or the own seat's shares, should be here and are not."""
    holdings.follow()
    view = holdings.ledger.view()
    rows = holdings.index.committed()
    return [row.batch for row in rows if any(_lacks(holdings, view, row))]


def _lacks(holdings: Holdings, view: View, row: Row) -> tuple[bool, bool]:
    """Whether the container, and whether the own seat's shares, should be here and are not."""
    held = holdings.shares.batch(row.batch)
    lacks_shares = held is None or held.root != row.root
    lacks = not row.held and _should_hold(view, holdings.identity.member, row)
    return lacks, lacks_shares and _is_seated(view, holdings.identity.member, row)


def _should_hold(view: View, me: bytes, row: Row) -> bool:
    """Whether placement names this member, or its own receipt does."""
    placed = holders(row.batch, row.author, members.roster(view), records.copies_needed(view))
    return me in placed or me in promised(view, row.batch)


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
