"""
Questions about audit lines, answered from the read model, each row with its place in the log.

As text a line is the consortium's own (iDASH 2018, track 1): time, node, the author's running
number, ref, user, activity and resource, parted by tabs. Nodes compare answers by its digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sql

from salus.base.errors import Category, Problem
from salus.modules.audit.state import ACTIVITY, RESOURCE
from salus.node.follower.follower import Follower
from salus.node.follower.models import LINE, TERM

LIMIT_MAX = 50_000
"""Lines of one answer."""

SORTS = {
    "time": LINE.c.time_ms,
    "user": LINE.c.user,
    "activity": LINE.c.activity,
    "resource": LINE.c.resource,
    "node": LINE.c.node,
    "ref": LINE.c.ref,
}
"""What an answer may be sorted by; equal ones stand in the log's order."""

Row = sql.Row[tuple[object, ...]]


@dataclass(frozen=True)
class LinesAsked:
    """Any combination of criteria; none: every line."""

    node: int | None = None
    ref: int | None = None
    user: int | None = None
    activity: int | None = None
    resource: int | None = None
    start_ms: int | None = None
    """First time, inclusive."""

    end_ms: int | None = None
    """Last time, inclusive."""

    sort: str = "time"
    """One of `SORTS`."""

    descending: bool = False
    """The whole order, the log's too."""

    limit: int = LIMIT_MAX
    """1 to `LIMIT_MAX`."""

    after: tuple[int, int, int] | None = None
    """`LinesFound.cursor` of the answer before."""


@dataclass(frozen=True)
class LinesFound:
    """Rows of `audit_line`, and a digest that two nodes can compare."""

    rows: Sequence[Row]
    lines: Sequence[str]
    """Each row as the consortium writes it."""

    cursor: tuple[int, int, int] | None
    """(sorted value, log index, position) of the last row; None if there is none."""

    @property
    def digest(self) -> bytes:
        """SHA-256 over the lines, sorted bytewise and parted by LF; 32 B."""
        return sha256(b"\n".join(sorted(line.encode() for line in self.lines))).digest()


def find_lines(follower: Follower, asked: LinesAsked) -> LinesFound:
    """
    Find all lines that meet every criterion, in the order asked for.

    Raises Problem QueryMalformed: an unknown sort, or a limit outside its range.
    """
    sort = SORTS.get(asked.sort)
    if sort is None:
        raise _malformed(f"to sort by one of {', '.join(SORTS)}")
    if not 1 <= asked.limit <= LIMIT_MAX:
        raise _malformed(f"a limit of 1 to {LIMIT_MAX}")
    order = (sort, LINE.c.log_index, LINE.c.position)
    query = sql.select(LINE).where(*_criteria(asked)).limit(asked.limit)
    query = query.order_by(*(part.desc() for part in order) if asked.descending else order)
    if asked.after is not None:
        here, last = sql.tuple_(*order), sql.tuple_(*asked.after)
        query = query.where(here < last if asked.descending else here > last)
    with follower.engine.connect() as connection:
        rows = connection.execute(query).all()
        terms = {
            (row.kind, row.number): row.text for row in connection.execute(sql.select(TERM)).all()
        }
    cursor = (rows[-1]._mapping[sort], rows[-1].log_index, rows[-1].position) if rows else None  # noqa: SLF001 (SQLAlchemy's public way to a column's value)
    return LinesFound(rows, [_text(row, terms) for row in rows], cursor)


def _criteria(asked: LinesAsked) -> list[sql.ColumnElement[bool]]:
    criteria = [
        LINE.c[name] == value
        for name in ("node", "ref", "user", "activity", "resource")
        if (value := getattr(asked, name)) is not None
    ]
    if asked.start_ms is not None:
        criteria.append(LINE.c.time_ms >= asked.start_ms)
    if asked.end_ms is not None:
        criteria.append(LINE.c.time_ms <= asked.end_ms)
    return criteria


def _text(row: Row, terms: Mapping[tuple[int, int], str]) -> str:
    activity, resource = terms[ACTIVITY, row.activity], terms[RESOURCE, row.resource]
    fields = (row.time_ms, row.node, row.line, row.ref, row.user, activity, resource)
    return "\t".join(map(str, fields))


def _malformed(expected: str) -> Problem:
    return Problem(Category.MALFORMED, "QueryMalformed", f"expected {expected}")
