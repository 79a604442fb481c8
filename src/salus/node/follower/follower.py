"""
Follows the ledger into SQL: per block one SQL transaction writes rows and height together.

SQLite by default, PostgreSQL by URL. A model whose version rose, or a database that was lost, is
made again from the journal; nothing here is needed to be believed.
"""

import threading
from collections.abc import Sequence

import sqlalchemy as sql
import structlog

from salus.base.errors import Category, Problem
from salus.node.follower.models import METADATA, MODELS, ReadModel
from salus.node.follower.seen import BlockSeen, see
from salus.node.ledger import Ledger

log = structlog.get_logger()

WAIT_S = 5.0
"""How long a query may wait for a height it must see."""

BATCH_BLOCKS = 50
"""Blocks a SQL transaction while catching up."""

_STATE = sql.Table(
    "follower",
    METADATA,
    sql.Column("name", sql.String(64), primary_key=True),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("height", sql.BigInteger, nullable=False),
)


class Follower:
    """Runs from its constructor to `close`."""

    def __init__(self, ledger: Ledger, url: str, models: Sequence[ReadModel] = MODELS) -> None:
        """`url`: SQLAlchemy's, as `sqlite:///read-model.db` or `postgresql+psycopg://…`."""
        self._ledger = ledger
        self._models = models
        self.engine = sql.create_engine(url)
        if self.engine.dialect.name == "sqlite":
            sql.event.listen(self.engine, "connect", _tune_sqlite)
        self._stopping = threading.Event()
        self._moved = threading.Condition()
        self._height = self._prepare()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    @property
    def height(self) -> int:
        """The newest block in every model."""
        return self._height

    def wait_for(self, height: int) -> None:
        """Wait at most 5 s for a height; raises Problem Behind."""
        with self._moved:
            if not self._moved.wait_for(lambda: self._height >= height, WAIT_S):
                raise Problem(
                    Category.UNAVAILABLE,
                    "Behind",
                    f"the read model is at height {self._height}, asked for {height}; ask again",
                )

    def close(self) -> None:
        """Stop after the block in work."""
        self._stopping.set()
        self._thread.join()
        self.engine.dispose()

    def _prepare(self) -> int:
        """Make tables; empty those of models whose version differs; the height all have."""
        METADATA.create_all(self.engine)
        with self.engine.begin() as connection:
            known = {row.name: row for row in connection.execute(sql.select(_STATE)).all()}
            for model in self._models:
                row = known.get(model.name)
                if row is not None and row.version == model.version:
                    continue
                for table in model.tables:
                    connection.execute(table.delete())
                connection.execute(_STATE.delete().where(_STATE.c.name == model.name))
                connection.execute(
                    _STATE.insert(),
                    {"name": model.name, "version": model.version, "height": 0},
                )
            return self._lowest(connection)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            tip = self._ledger.wait_above(self._height, 0.5)
            while self._height < tip.height and not self._stopping.is_set():
                self._take(min(tip.height, self._height + BATCH_BLOCKS))

    def _take(self, upto: int) -> None:
        """Write blocks up to a height into every model that lacks them, in one transaction."""
        blocks = [see(self._ledger, height) for height in range(self._height + 1, upto + 1)]
        with self.engine.begin() as connection:
            at = dict(connection.execute(sql.select(_STATE.c.name, _STATE.c.height)).tuples())
            for model in self._models:
                self._write(
                    connection, model, [one for one in blocks if one.height > at[model.name]]
                )
            connection.execute(_STATE.update().values(height=upto))
        with self._moved:
            self._height = upto
            self._moved.notify_all()

    def _write(
        self, connection: sql.Connection, model: ReadModel, blocks: Sequence[BlockSeen]
    ) -> None:
        for table in model.tables:
            rows = [dict(row) for block in blocks for row in model.rows(block)[table]]
            if rows:
                connection.execute(table.insert(), rows)

    def _lowest(self, connection: sql.Connection) -> int:
        lowest = connection.execute(sql.select(sql.func.min(_STATE.c.height))).scalar_one()
        return int(lowest)


def _tune_sqlite(connection: sql.engine.interfaces.DBAPIConnection, _record: object) -> None:
    """WAL, and no sync a block: the journal is the truth, this file can be made again."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
