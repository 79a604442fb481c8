"""
Follows the ledger into SQL: per block one SQL transaction writes rows and height together.

SQLite by default, PostgreSQL by URL. A model whose version rose, that is of another network or
ahead of this ledger, or whose database was lost, is made again from the journal; nothing here is
needed to be believed.
"""

import threading
from collections.abc import Iterator, Sequence

import sqlalchemy as sql
import structlog

from salus.base.errors import Category, Problem
from salus.node.follower.models import MODELS, ReadModel
from salus.node.follower.seen import BlockSeen, see
from salus.node.ledger import Ledger

log = structlog.get_logger()

WAIT_S = 5.0
"""How long a query may wait for a height it must see."""

LOOK_S = 0.1
"""How often an idle follower looks whether it should stop."""

BATCH_BLOCKS = 50
BATCH_TRANSACTIONS = 10_000
"""A SQL transaction while catching up: so many blocks, fewer if they are full."""

RETRY_S = 1.0
"""Pause after the database did not answer."""

_OWN = sql.MetaData()

_STATE = sql.Table(
    "follower",
    _OWN,
    sql.Column("name", sql.String(64), primary_key=True),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("network", sql.LargeBinary(32), nullable=False),
    sql.Column("height", sql.BigInteger, nullable=False),
)


class Follower:
    """Runs from its constructor to `close`."""

    def __init__(self, ledger: Ledger, url: str, models: Sequence[ReadModel] = MODELS) -> None:
        """`url`: SQLAlchemy's, as `sqlite:///read-model.db` or `postgresql+psycopg://…`."""
        self._ledger = ledger
        self._models = models
        self.engine = sql.create_engine(url, pool_pre_ping=True)
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
        """Make anew the models that do not fit this ledger; the height all have."""
        _OWN.create_all(self.engine)
        with self.engine.connect() as connection:
            known = {row.name: row for row in connection.execute(sql.select(_STATE)).all()}
        for model in self._models:
            if not self._fits(model, known.get(model.name)):
                self._make_anew(model)
        with self.engine.connect() as connection:
            return min(self._heights(connection).values())

    def _fits(self, model: ReadModel, row: sql.Row[tuple[object, ...]] | None) -> bool:
        if row is None:
            return False
        ours = (row.version, bytes(row.network)) == (model.version, self._ledger.network)
        return ours and row.height <= self._ledger.tip.height

    def _make_anew(self, model: ReadModel) -> None:
        """Its row goes first and comes last: a crash between leaves a model to make anew."""
        log.info("follower.make_anew", model=model.name, version=model.version)
        with self.engine.begin() as connection:
            connection.execute(_STATE.delete().where(_STATE.c.name == model.name))
        with self.engine.begin() as connection:
            for table in model.tables:
                table.drop(connection, checkfirst=True)
                table.create(connection)
        first = {
            "name": model.name,
            "version": model.version,
            "network": self._ledger.network,
            "height": 0,
        }
        with self.engine.begin() as connection:
            connection.execute(_STATE.insert(), first)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            tip = self._ledger.wait_above(self._height, LOOK_S)
            try:
                while self._height < tip.height and not self._stopping.is_set():
                    self._take(list(self._next(tip.height)))
            except sql.exc.SQLAlchemyError as error:
                # Whatever was committed is known by its height: the same blocks can come again.
                log.warning("follower.waits", reason=type(error).__name__)
                self._stopping.wait(RETRY_S)
            except Exception as error:  # noqa: BLE001 (a silent end would look like idleness)
                log.error("follower.stopped", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
                return

    def _next(self, upto: int) -> Iterator[BlockSeen]:
        """The blocks of one SQL transaction."""
        transactions = 0
        for height in range(self._height + 1, min(upto, self._height + BATCH_BLOCKS) + 1):
            block = see(self._ledger, height)
            yield block
            transactions += len(block.transactions)
            if transactions >= BATCH_TRANSACTIONS:
                return

    def _take(self, blocks: Sequence[BlockSeen]) -> None:
        """Write blocks into every model that lacks them, in one transaction."""
        upto = blocks[-1].height
        with self.engine.begin() as connection:
            at = self._heights(connection)
            for model in self._models:
                _write(connection, model, [one for one in blocks if one.height > at[model.name]])
            behind = _STATE.c.name.in_(list(at)) & (_STATE.c.height < upto)
            connection.execute(_STATE.update().where(behind).values(height=upto))
        with self._moved:
            self._height = upto
            self._moved.notify_all()

    def _heights(self, connection: sql.Connection) -> dict[str, int]:
        names = [model.name for model in self._models]
        query = sql.select(_STATE.c.name, _STATE.c.height).where(_STATE.c.name.in_(names))
        return {row.name: row.height for row in connection.execute(query).all()}


def _write(connection: sql.Connection, model: ReadModel, blocks: Sequence[BlockSeen]) -> None:
    written = [model.rows(block) for block in blocks]
    for table in model.tables:
        rows = [dict(row) for rows in written for row in rows[table]]
        if rows:
            connection.execute(table.insert(), rows)


def _tune_sqlite(connection: sql.engine.interfaces.DBAPIConnection, _record: object) -> None:
    """WAL, and no sync a block: a power loss takes the newest blocks, and they come again."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
