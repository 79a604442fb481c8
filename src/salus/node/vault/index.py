"""
Which containers this vault holds, which are committed, and which groups lie in them by tag.

SQLite, made of nothing but the containers and the ledger: `Vault` fills in what is missing at the
start, so its writes are not synced one by one.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from salus.base.hashing import u64
from salus.sealed.container import Container
from salus.sealed.days import Node

_TABLES = """
create table if not exists batch (
    id blob primary key, root blob not null, author blob not null, bytes integer not null,
    seen_ms integer not null, height integer, held integer not null, seat integer) without rowid;
create index if not exists batch_height on batch (height, id);
create index if not exists batch_waiting on batch (author) where height is null;
create table if not exists grp (
    tag blob, batch blob, number integer, level integer not null, slot integer not null,
    primary key (tag, batch, number)) without rowid;
create index if not exists grp_batch on grp (batch);
create table if not exists progress (one integer primary key check (one = 1), height integer);
"""


class Row(NamedTuple):
    """What is known of one batch."""

    batch: bytes
    root: bytes
    author: bytes
    held: bool
    height: int | None
    """Of the block that committed it, or None."""

    seat: int | None
    """Own seat among the batch's, 0 if there is none, None while its container was not seen."""


class Place(NamedTuple):
    """One group of a tag."""

    number: int
    tag: bytes
    slot: Node


class Index:
    """Opened by the vault alone; any thread asks."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; one that is no database is made anew."""
        self._lock = threading.RLock()
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError:
            path.unlink()
            self._db = _open(path)

    def claim(self, container: Container, container_bytes: int, now_ms: int) -> bytes:
        """Let this id stand for this container unless it stands for one; gives the root it has."""
        head = container.head
        with self._lock, self._db:
            self._db.execute(
                "insert into batch values (?, ?, ?, ?, ?, null, 0, null)"
                " on conflict (id) do update set seen_ms = excluded.seen_ms"
                " where root = excluded.root",
                (head.batch, container.root, head.author, container_bytes, now_ms),
            )
            row = self._db.execute("select root from batch where id = ?", (head.batch,)).fetchone()
        return bytes(row[0])

    def hold(self, container: Container, seat: int) -> None:
        """Note that the container is stored, with its groups; `seat`: as `seat`."""
        batch = container.head.batch
        rows = [
            (group.tag, batch, number, group.level, group.index)
            for number, group in enumerate(container.groups)
            if group is not None
        ]
        with self._lock, self._db:
            self._db.execute("delete from grp where batch = ?", (batch,))
            self._db.executemany("insert into grp values (?, ?, ?, ?, ?)", rows)
            self._db.execute("update batch set held = 1, seat = ? where id = ?", (seat, batch))

    def seat(self, batch: bytes, x: int) -> None:
        """Note which seat's shares a batch holds for this member; 0: none."""
        with self._lock, self._db:
            self._db.execute("update batch set seat = ? where id = ?", (x, batch))

    def miss(self, batch: bytes) -> None:
        """Note that the container is lost or damaged."""
        with self._lock, self._db:
            self._db.execute("update batch set held = 0 where id = ?", (batch,))

    def forget(self, batch: bytes) -> None:
        """Take a batch out that was never committed."""
        with self._lock, self._db:
            self._db.execute("delete from grp where batch = ?", (batch,))
            self._db.execute("delete from batch where id = ? and height is null", (batch,))

    def commit(self, height: int, batches: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """
        Note the batches (id, root, author) that a block committed, and that it was read.

        A container that waited here under such an id and another root is no longer held.
        """
        with self._lock, self._db:
            self._db.executemany(
                "insert into batch values (?, ?, ?, 0, 0, ?, 0, null)"
                " on conflict (id) do update set held = (held and root = excluded.root),"
                " root = excluded.root, author = excluded.author, height = excluded.height",
                [(batch, root, author, height) for batch, root, author in batches],
            )
            self._db.execute("insert or replace into progress values (1, ?)", (height,))

    def begin(self, *, from_state: bool) -> None:
        """Have read no block; `from_state`: the next height noted stands for all blocks before."""
        with self._lock, self._db:
            self._db.execute("delete from progress")
            self._db.execute(f"pragma user_version = {int(from_state)}")

    @property
    def begun_from_state(self) -> bool:
        """Whether batches were noted with a snapshot's height instead of their own."""
        row = self._one("pragma user_version")
        return row is not None and bool(row[0])

    def height(self) -> int:
        """Height up to which the ledger's blocks were read."""
        row = self._one("select height from progress")
        return 0 if row is None else int(row[0])

    def row(self, batch: bytes) -> Row | None:
        """What is known of a batch, or None."""
        found = self._rows("where id = ?", batch)
        return found[0] if found else None

    def committed(self) -> list[Row]:
        """All committed batches, by height and id."""
        return self._rows("where height is not null order by height, id")

    def held(self) -> list[Row]:
        """All containers stored here, by id."""
        return self._rows("where held order by id")

    def held_after(self, batch: bytes, count: int) -> list[Row]:
        """Up to `count` containers stored here, of ids above one, by id."""
        return self._rows("where held and id > ? order by id limit ?", batch, count)

    def held_count(self) -> int:
        """Containers stored here."""
        row = self._one("select count(*) from batch where held")
        return 0 if row is None else int(row[0])

    def waiting_bytes(self, author: bytes) -> int:
        """Bytes of an author's containers that are not committed."""
        row = self._one(
            "select coalesce(sum(bytes), 0) from batch where author = ? and height is null", author
        )
        return 0 if row is None else int(row[0])

    def waiting_since(self, before_ms: int) -> list[bytes]:
        """Ids of containers not committed that came before a time."""
        found = self._all("select id from batch where height is null and seen_ms < ?", before_ms)
        return [bytes(row[0]) for row in found]

    def batches_of(
        self, tags: Sequence[bytes], after: bytes, author: bytes | None
    ) -> list[tuple[bytes, list[Place]]]:
        """
        Held, committed batches with groups of these tags behind a cursor, in commitment order.

        `after`: height u64 ‖ batch; `author`: only this member's. Gives (cursor, groups).
        """
        marks = ", ".join("?" * len(tags))
        rows = self._all(
            "select batch.height, batch.id, grp.number, grp.tag, grp.level, grp.slot"  # noqa: S608 (marks are question marks)
            " from grp join batch on batch.id = grp.batch"
            f" where grp.tag in ({marks}) and batch.held and batch.height is not null"
            " and (batch.height, batch.id) > (?, ?) and (? is null or batch.author = ?)"
            " order by batch.height, batch.id, grp.number",
            *tags, int.from_bytes(after[:8], "big"), after[8:], author, author,
        )  # fmt: skip
        found: dict[bytes, list[Place]] = {}
        for height, batch, number, tag, level, slot in rows:
            place = Place(number, tag, Node(level, slot))
            found.setdefault(u64(height) + batch, []).append(place)
        return list(found.items())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows(self, where: str, *values: object) -> list[Row]:
        found = self._all(
            f"select id, root, author, held, height, seat from batch {where}",  # noqa: S608 (a clause of this file)
            *values,
        )
        return [
            Row(batch, root, author, bool(held), height, seat)
            for batch, root, author, held, height, seat in found
        ]

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        found = self._all(query, *values)
        return found[0] if found else None

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchall()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.executescript(_TABLES)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
