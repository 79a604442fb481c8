"""A ledger of audit lines with a read model beside it."""

from pathlib import Path
from typing import Any

import sqlalchemy as sql

from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.follower.follower import Follower
from salus.node.follower.models import LINE
from salus.node.ledger import Ledger
from tests.support.ledgers import Chain, add_block

TERMS = [
    DefineTerm(kind=kind, number=number, text=text)
    for kind, number, text in ((1, 1, "VIEW"), (1, 2, "FILE"), (2, 1, "WormBase"), (2, 2, "TOPMed"))
]


def line(number: int) -> RecordLine:
    """The lines of these tests: times go down in pairs, so that sorting does something."""
    return RecordLine(
        activity=1 + number % 2,
        node=1 + number % 3,
        ref=number,
        resource=1 + number // 2 % 2,
        time_ms=1_000 - number // 2,
        user=number % 4,
    )


class World:
    """A ledger with terms, and a read model beside it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.chain = Chain(members=2)
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'model.db'}"
        self.ledger: Ledger = self.chain.open(folder / "ledger")
        self.nonce = 0
        self.block(TERMS)
        self.follower: Follower | None = None

    def block(self, *transactions: list[Any]) -> None:
        """One block of these transactions of the first member."""
        envelopes = []
        for messages in transactions:
            until_ms = self.ledger.tip.time_ms + 60_000
            envelopes.append(self.chain.sign(0, *messages, nonce=self.nonce, until_ms=until_ms))
            self.nonce += 1
        add_block(self.ledger, *envelopes)

    def open(self, **options: Any) -> Follower:
        """The follower of a process that starts now; it is at the tip when this returns."""
        if self.follower is not None:
            self.follower.close()
        self.follower = Follower(self.ledger, self.url, **options)
        self.follower.wait_for(self.ledger.tip.height)
        return self.follower

    def rows(self, table: sql.Table = LINE) -> list[tuple[Any, ...]]:
        """All rows of a model, sorted."""
        assert self.follower is not None
        with self.follower.engine.connect() as connection:
            return sorted(tuple(row) for row in connection.execute(sql.select(table)).all())

    def close(self) -> None:
        if self.follower is not None:
            self.follower.close()
        self.ledger.close()
