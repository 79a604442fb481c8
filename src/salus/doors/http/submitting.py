"""
From an envelope's bytes to what became of it, for one member.

With the engine in this process the event loop hands envelopes in itself and waits for their block;
behind another member's engine a thread does, which also waits for the own copy.
"""

import asyncio
import time
from enum import Enum

import msgspec
from anyio import CapacityLimiter, to_thread

from salus.base.errors import Category, Problem
from salus.doors.http.member import MemberDoor
from salus.doors.http.metrics import Meters
from salus.doors.http.wakeups import Wakeups
from salus.doors.problems import tell_code
from salus.node.decided import Decided
from salus.node.mempool import Done

FORWARDED_MAX = 64
"""Transactions a member hands to another's engine at once; each holds a thread."""


class Wait(Enum):
    """How far a caller waits."""

    ADMITTED = "admitted"
    """Its form holds and it is on its way; nothing is promised."""

    COMMITTED = "committed"
    """Executed, in the journal, synced."""

    PROVED = "proved"
    """And covered by a note that meets the quorum."""


class Ended(msgspec.Struct, omit_defaults=True):
    """What a caller is told of a transaction."""

    id: str
    status: str
    height: int | None = None
    index: int | None = None
    """The entry's place in the log."""

    code: int | None = None
    """0 done, else the refusal's number."""

    name: str | None = None
    """The refusal's name."""


class Submitting:
    """One member's way to the engine, for a door in an event loop."""

    def __init__(self, member: MemberDoor, meters: Meters) -> None:
        """`meters`: count what is answered."""
        self._node = member.node
        self._meters = meters.of(member.name)
        self._wakeups: Wakeups | None = None
        self._forwarded = CapacityLimiter(FORWARDED_MAX)
        self._decided = Decided(member.node.ledger)

    async def submit(self, envelope: bytes, wait: Wait) -> Ended:
        """Hand in and wait; raises the Refusal of admission, or Problem."""
        engine = self._node.engine
        started_s = time.perf_counter()
        if engine is None:
            done = await to_thread.run_sync(
                self._node.ordering.submit, envelope, limiter=self._forwarded
            )
        else:
            ticket = engine.submit(envelope)
            if wait is Wait.ADMITTED:
                # A refusal that is known by now is told; a later one stands in the receipt.
                if ticket.done.done():
                    ticket.done.result()
                return Ended(id=ticket.transaction.id.hex(), status="admitted")
            done = await self._bridge().wait(ticket.done)
        self._meters.ended(done.receipt.code, time.perf_counter() - started_s)
        if wait is Wait.PROVED:
            await to_thread.run_sync(self._prove, done)
        return self.ended(done)

    def ended(self, done: Done) -> Ended:
        """What a caller is told of a transaction that stands in a block."""
        code = done.receipt.code
        kind = self._node.ledger.machine.refusal(code) if code else None
        return Ended(
            id=done.id.hex(),
            status="committed",
            height=done.height,
            index=done.index,
            code=code,
            name=tell_code(code, kind).name if code else None,
        )

    def find(self, transaction_id: bytes) -> Ended:
        """A transaction by its id: pending, committed, unknown."""
        done = self._decided.find(transaction_id)
        if done is not None:
            return self.ended(done)
        engine = self._node.engine
        if engine is not None and engine.mempool.waiting(transaction_id) is not None:
            return Ended(id=transaction_id.hex(), status="pending")
        raise Problem(
            Category.NOT_FOUND,
            "TransactionUnknown",
            "expected the id of a transaction in a block or waiting for one; it may have expired",
        )

    def _bridge(self) -> Wakeups:
        loop = asyncio.get_running_loop()
        if self._wakeups is None or self._wakeups.loop is not loop:
            self._wakeups = Wakeups(loop)
        return self._wakeups

    def _prove(self, done: Done) -> None:
        self._node.checkpoints.covering(self._node.ledger.record(done.height).log_size)
