"""Questions about audit lines, answered from the read model, each row with its place in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sql

from salus.node.follower.follower import Follower
from salus.node.follower.models import LINE

LIMIT_MAX = 50_000
"""Lines of one answer."""

SORTS = ("time", "user", "activity", "resource", "node", "ref")


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
    descending: bool = False
    limit: int = LIMIT_MAX
    after: tuple[int, int] | None = None
    """(log index, position) of the last line of the answer before."""


@dataclass(frozen=True)
class LinesFound:
    """Rows, and a digest that two nodes can compare."""

    rows: Sequence[sql.Row[tuple[object, ...]]]
    digest: bytes
    """SHA-256 over the rows' log index u64 ‖ position u32, ascending; equal for equal answers."""


def find_lines(follower: Follower, asked: LinesAsked) -> LinesFound:
    """All lines that meet every criterion."""
    query = sql.select(LINE).where(*_criteria(asked)).limit(min(asked.limit, LIMIT_MAX))
    column = LINE.c["time_ms" if asked.sort == "time" else asked.sort]
    order = column.desc() if asked.descending else column
    with follower.engine.connect() as connection:
        rows = connection.execute(query.order_by(order, LINE.c.log_index, LINE.c.position)).all()
    places = sorted((row.log_index, row.position) for row in rows)
    digest = sha256(
        b"".join(
            index.to_bytes(8, "big") + position.to_bytes(4, "big") for index, position in places
        )
    )
    return LinesFound(rows, digest.digest())


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
    if asked.after is not None:
        place = sql.tuple_(LINE.c.log_index, LINE.c.position)
        criteria.append(place > sql.tuple_(*asked.after))
    return criteria
