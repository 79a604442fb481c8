"""
A chart: what one grant opens, for one person, now; byte-identical to what was sealed.

Locks open whole groups; inside them the grant's finer rules and exact days decide what is shown.
"""

from dataclasses import dataclass

from salus.client.unseal import Record
from salus.gateway.office import Office
from salus.gateway.packages import Packages
from salus.gateway.residual import permits
from salus.gateway.session import Reading, Session
from salus.sealed.days import day_slot, in_window
from salus.sealed.grants import Terms
from salus.sealed.items import Head


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
    body: bytes
    """The sender's exact bytes."""


@dataclass(frozen=True)
class Chart:
    """What was opened, and what the witnesses said."""

    grant: bytes
    records: tuple[ChartRecord, ...]
    hidden: int
    """Records opened by the locks but not shown: labels or the day limit forbid it."""

    blamed: frozenset[int]
    """Seats that sent a false share."""

    silent: tuple[bytes, ...]
    """Witnesses that gave nothing."""


class Charts:
    """Opens charts for the member's people."""

    def __init__(self, office: Office, packages: Packages) -> None:
        """Of one gateway."""
        self._office = office
        self._packages = packages

    def open(self, grant: bytes, reading: Reading) -> Chart:
        """
        Open everything a grant covers.

        Raises Problem GrantNotForUs, or a witness's refusal (its code is in `facts`).
        """
        received = self._packages.one(grant)
        session = Session(self._office, received, reading)
        shown: list[ChartRecord] = []
        hidden = 0
        blamed: set[int] = set()
        for group in session.groups():
            item = group.container.group(group.number)
            blamed.update(group.blamed)
            for record in group.records():
                author = group.container.head.author
                if _may_show(record, item.tag, author, received.terms):
                    shown.append(_record(record, item.tag, group.container.head))
                else:
                    hidden += 1
        return Chart(grant, tuple(shown), hidden, frozenset(blamed), tuple(session.refusals))


def _may_show(record: Record, tag: bytes, author: bytes, terms: Terms) -> bool:
    """Whether the exact days and the finer rules of the grant allow it."""
    windows = [item for item in terms.items if item.tag == tag]
    covered = any(
        in_window(day_slot(record.meta.day), item.first_day, item.last_day) for item in windows
    )
    return covered and permits(terms.residual, record, author)


def _record(record: Record, tag: bytes, head: Head) -> ChartRecord:
    return ChartRecord(
        tag=tag,
        type=record.meta.type,
        id=record.meta.id,
        labels=tuple(record.meta.labels),
        day=record.meta.day,
        author=head.author,
        batch=head.batch,
        body=record.body,
    )
