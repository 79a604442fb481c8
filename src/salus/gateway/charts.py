"""
A chart: what one grant opens, for one person, now; byte-identical to what was sealed.

Locks open whole groups; inside them the grant's finer rules and exact days decide what is shown.
What was shown is remembered, and its root goes to the ledger with the next intents. No key and no
record stays in this process behind the chart itself.
"""

import os
from dataclasses import dataclass

from salus.base.errors import Problem
from salus.client.unseal import GroupOpened, Record
from salus.gateway.announcements import Announcements, Closing, Shown
from salus.gateway.office import Office
from salus.gateway.packages import Packages
from salus.gateway.residual import permits
from salus.gateway.session import Reading, Session, Unopened
from salus.sealed.days import Node, day_slot, in_window
from salus.sealed.grants import Terms
from salus.sealed.items import Group, Head


@dataclass(frozen=True)
class ChartRecord:
    """One opened record."""

    tag: bytes
    type: str
    id: str
    labels: tuple[str, ...]
    day: int
    """Days since 1900-01-01."""

    author: bytes
    """The member that sealed it."""

    batch: bytes
    record: bytes
    """The record's own id, 16 B; the same for all its versions."""

    body: bytes
    """The sender's exact bytes."""


@dataclass(frozen=True)
class Chart:
    """What was opened, and what holders and witnesses said."""

    grant: bytes
    records: tuple[ChartRecord, ...]
    hidden: int
    """Records opened by the locks but not shown: labels or the day limit forbid it."""

    unopened: tuple[Unopened, ...]
    """Groups that do not open though they are covered: their author or a holder is at fault."""

    complete: bool
    """Whether so many holders answered that nothing covered can be missing."""

    blamed: frozenset[int]
    """Seats that sent a false share."""

    silent: tuple[bytes, ...]
    """Witnesses and holders that gave nothing, or something false."""


class Charts:
    """Opens charts for the member's people."""

    def __init__(self, office: Office, packages: Packages, announcements: Announcements) -> None:
        """Of one gateway."""
        self._office = office
        self._packages = packages
        self._announcements = announcements

    def open(self, grant: bytes, reading: Reading) -> Chart:
        """
        Open everything a grant covers.

        Raises Problem GrantNotForUs, or what holders or witnesses said (their code is in `facts`).
        """
        received = self._packages.one(grant)
        session = Session(self._office, self._announcements, received, reading)
        shown: list[ChartRecord] = []
        hidden = 0
        blamed: set[int] = set()
        for opened in session.groups():
            group = opened.container.group(opened.number)
            blamed.update(opened.blamed)
            for record in _records(opened, session):
                head = opened.container.head
                if _may_show(record, group, head.author, received.terms):
                    shown.append(_record(record, group.tag, head))
                else:
                    hidden += 1
        if session.intent:
            self._close(session.intent, shown)
        silent = {**session.fetched.refusals, **session.collected.refusals}
        return Chart(
            grant=grant,
            records=tuple(shown),
            hidden=hidden,
            unopened=tuple(session.unopened),
            complete=session.fetched.complete,
            blamed=frozenset(blamed),
            silent=tuple(sorted(silent)),
        )

    def _close(self, intent: bytes, shown: list[ChartRecord]) -> None:
        """Remember what was shown before anybody sees it."""
        self._announcements.close(
            Closing(
                ended_ms=self._office.now_ms(),
                intent=intent,
                salt=os.urandom(16),
                shown=[Shown(batch=one.batch, record=one.record) for one in shown],
            )
        )


def _records(opened: GroupOpened, session: Session) -> list[Record]:
    """All records of a group, or none if one of them is not what was committed."""
    try:
        return list(opened.records())
    except Problem as problem:
        batch = opened.container.head.batch
        session.unopened.append(Unopened(batch, opened.number, problem))
        return []


def _may_show(record: Record, group: Group, author: bytes, terms: Terms) -> bool:
    """Whether the exact days and the finer rules of the grant allow it."""
    days = _days_of(record, group)
    covered = any(
        item.tag == group.tag and in_window(days, item.first_day, item.last_day)
        for item in terms.items
    )
    return covered and permits(terms.residual, record, author)


def _days_of(record: Record, group: Group) -> Node:
    """
    The days a record may be of: its own, or the whole block if its date is known only in part.

    Such a record names its block's first day (correction 24).
    """
    slot = Node(group.level, group.index)
    first = slot.index << slot.level
    return slot if record.meta.day == first else day_slot(record.meta.day)


def _record(record: Record, tag: bytes, head: Head) -> ChartRecord:
    return ChartRecord(
        tag=tag,
        type=record.meta.type,
        id=record.meta.id,
        labels=tuple(record.meta.labels),
        day=record.meta.day,
        author=head.author,
        batch=head.batch,
        record=record.record,
        body=record.body,
    )
