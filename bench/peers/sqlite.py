"""SQLite as a peer: a file, a connection a client, WAL with a sync at every commit."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.peers.load import Load, Row, run_load
from bench.peers.peer import PAYLOAD_BYTES, Result

_BUSY_SECONDS = 60.0
"""How long a connection waits for the one that writes, before it gives up; SQLite itself waits."""


class SqlitePeer:
    """SQLite in write-ahead mode with `synchronous=FULL`."""

    name = "SQLite"

    def start(self, folder: Path) -> None:
        """Make the database and its table."""
        self.path = folder / "peer.sqlite"
        connection = _connect(self.path)
        # A plain rowid table wrote more rows a second here than one WITHOUT ROWID.
        connection.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, payload BLOB NOT NULL)")
        connection.close()

    def run(
        self,
        *,
        clients: int,
        seconds: float,
        payload_bytes: int = PAYLOAD_BYTES,
        batch: int = 1,
    ) -> Result:
        """Write from `clients` connections; see `Peer.run`."""
        load = Load(clients=clients, seconds=seconds, payload_bytes=payload_bytes, batch=batch)
        return run_load(partial(SqliteWriter, self.path), load)

    def stop(self) -> None:
        """Nothing runs between runs."""


class SqliteWriter:
    """A connection that takes the write lock first, so that it waits instead of failing."""

    def __init__(self, path: Path) -> None:
        """Open the database."""
        self._connection = _connect(path)

    def write(self, rows: Sequence[Row]) -> None:
        """Insert the rows in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Connections are opened by one thread and used by another, never by two at once.
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
