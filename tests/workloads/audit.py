"""Audit's workload: terms defined once, lines counted by key."""

from random import Random

from salus.modules.audit.events import LineRecorded
from salus.modules.audit.invariants import lines_are_counted
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.state import AUTHOR, TERM
from tests.support.machine import BLOCK_MS, Actor, Ledger, told
from tests.support.workload import Step

TEXTS = ("VIEW", "x" * 64, "x" * 65, "", "é", "a\tb")
GOOD_TEXTS = TEXTS[:2]


class AuditWorkload:
    """Few numbers and few members, so that acts meet one another."""

    def __init__(self, ledger: Ledger) -> None:
        """Start with nothing defined."""
        self.ledger = ledger
        self.terms: dict[tuple[int, int], str] = {}
        self.lines: dict[bytes, list[LineRecorded]] = {}

    def draw(self, random: Random) -> Step:
        """Define or record, a third of it wrong on purpose."""
        actor = random.choice(self.ledger.members)
        return self._line(random, actor) if random.random() < 0.6 else self._term(random, actor)

    def check(self) -> None:
        """Terms and counts as predicted, and the lines of each author without a gap."""
        rows = self.ledger.all_rows(TERM)
        assert self.terms == {key: row.text for key, row in rows.items()}
        authors = self.ledger.all_rows(AUTHOR)
        assert set(self.lines) == set(authors)
        lines_are_counted(authors, self.lines)

    def _term(self, random: Random, actor: Actor) -> Step:
        kind, number = random.choice((0, 1, 1, 2, 2, 3)), random.randrange(4)
        message = DefineTerm(kind=kind, number=number, text=random.choice(TEXTS))
        code = 0
        if (kind, number) in self.terms:
            code = 9002
        elif kind not in (1, 2) or message.text not in GOOD_TEXTS:
            code = 9003

        def change() -> None:
            self.terms[kind, number] = message.text

        return Step(repr(message), code, lambda: self.ledger.send(actor, message).code, change)

    def _line(self, random: Random, actor: Actor) -> Step:
        block_ms = self.ledger.time_ms + BLOCK_MS
        message = RecordLine(
            activity=random.randrange(4),
            node=1,
            ref=random.randrange(100),
            resource=random.randrange(4),
            time_ms=block_ms + random.choice((-5, 300_000, 300_001)),
            user=1,
        )
        code = 0
        if (1, message.activity) not in self.terms or (2, message.resource) not in self.terms:
            code = 9004
        elif message.time_ms > block_ms + 300_000:
            code = 9005
        events: list[LineRecorded] = []

        def do() -> int:
            receipt = self.ledger.send(actor, message)
            if receipt.code == 0:
                events.extend(told(receipt.events, LineRecorded))
            return receipt.code

        def change() -> None:
            mine = self.lines.setdefault(actor.transaction.key_id, [])
            mine.extend(events)
            assert len(mine) == mine[-1].line

        return Step(repr(message), code, do, change)
