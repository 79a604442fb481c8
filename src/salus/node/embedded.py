"""
The embedded engine: one process, one writer, group commit (`ledger.md` §5.3).

While one block is executed and synced, the next one gathers: there is no timer. An answer means
executed, in the journal, synced.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import structlog

from salus.base.errors import Category, Problem, Refusal
from salus.machine.block import Block
from salus.machine.refusals import LAST_UNSPENT, SignatureInvalid
from salus.node.block_clock import BlockClock
from salus.node.ledger import Executed, Ledger, Tip
from salus.node.mempool import Done, Mempool, Ticket
from salus.node.ports import Clock, RealClock
from salus.node.verify_pool import Remembered, VerifyPool

log = structlog.get_logger()

IDLE_MS_MAX = 30_000
"""A tip older than this is renewed by an empty block when a receipt or release needs fresh time."""

DUE_AHEAD = 2
"""An agenda entry due within so many heights makes the engine go on without transactions."""

IDLE_TICK_S = 0.5
"""How often an idle engine looks at the agenda."""


class EmbeddedEngine:
    """Orders, executes and commits; many threads submit, one writes."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        quarantine: Path,
        clock: Clock | None = None,
        pool: VerifyPool | None = None,
    ) -> None:
        """`quarantine`: folder that keeps transactions whose handler had a bug."""
        self.ledger = ledger
        self.mempool = Mempool()
        self._quarantine = quarantine
        self._clock = BlockClock(clock or RealClock(), ledger.tip.time_ms)
        self._pool = pool or VerifyPool(ledger.network)
        self._remembered = Remembered()
        self._renew = threading.Event()
        self._stopping = False
        self._failure: BaseException | None = None
        self._writer = threading.Thread(target=self._write, name="block-writer", daemon=True)
        self._writer.start()

    def submit(self, data: bytes) -> Ticket:
        """
        Hand in an envelope; its ticket is done when the block that holds it is durable.

        Size and form are checked at once (machine refusals 1-7 raise here); signature, key, expiry,
        nonce and quotas end the ticket with their Refusal.
        """
        self._check_running()
        transaction = self.ledger.machine.form.read(data)
        ticket = Ticket(data, transaction)
        if transaction.hash in self._remembered:
            self._admit(ticket, signature_holds=True)
        else:
            self._pool.submit(data, lambda holds: self._admit(ticket, signature_holds=holds))
        return ticket

    def submit_and_wait(self, data: bytes, timeout_s: float = 30.0) -> Done:
        """Hand in and wait; raises the Refusal of admission, or Problem UnknownOutcome."""
        try:
            return self.submit(data).done.result(timeout_s)
        except TimeoutError:
            raise Problem(
                Category.UNKNOWN_OUTCOME,
                "UnknownOutcome",
                f"no block within {timeout_s} s; send the same bytes again: it is done once",
            ) from None

    def fresh_tip(self) -> Tip:
        """The tip, renewed by an empty block if it is over 30 s old."""
        tip = self.ledger.tip
        if self._clock.age_ms(tip.time_ms) <= IDLE_MS_MAX:
            return tip
        self._renew.set()
        return self.ledger.wait_above(tip.height, 5.0)

    def close(self) -> None:
        """Finish the block in work, refuse what waits, stop."""
        self._stopping = True
        self.mempool.close()
        self._writer.join()
        self._pool.close()

    def _admit(self, ticket: Ticket, *, signature_holds: bool) -> None:
        try:
            if not signature_holds:
                raise SignatureInvalid
            self._remembered.add(ticket.transaction.hash)
            done = self._committed(ticket)
            if done is not None:
                ticket.done.set_result(done)
                return
            kept = self.mempool.add(ticket, self._check_on_tip)
        except Refusal as refusal:
            ticket.done.set_exception(refusal)
            return
        if kept is not ticket:
            kept.done.add_done_callback(lambda other: _follow(ticket, other))

    def _committed(self, ticket: Ticket) -> Done | None:
        """The end of a transaction that a block decided before, if its nonce was spent by it."""
        found = self.ledger.find(ticket.transaction.id)
        if found is None:
            return None
        height, position = found
        receipt = self.ledger.receipts(height).receipts[position]
        if 0 < receipt.code <= LAST_UNSPENT:
            return None
        return Done(ticket.transaction.id, height, position, receipt)

    def _check_on_tip(self, ticket: Ticket) -> bytes:
        view = self.ledger.view(self._clock.now_ms())
        self.ledger.machine.admit(view, ticket.transaction)
        return self.ledger.machine.member_of(view, ticket.transaction.key_id)

    def _write(self) -> None:
        try:
            while not self._stopping:
                tickets = self.mempool.take(IDLE_TICK_S)
                if tickets or self._wants_empty_block():
                    self._make_block(tickets)
        except BaseException as error:  # noqa: BLE001 (whatever ends the writer ends acceptance)
            self._failure = error
            log.error("engine.stopped", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)

    def _wants_empty_block(self) -> bool:
        if self._renew.is_set():
            return True
        due = self.ledger.machine.next_due(self.ledger.view())
        return due is not None and due <= self.ledger.tip.height + DUE_AHEAD

    def _make_block(self, tickets: Sequence[Ticket]) -> None:
        self._renew.clear()
        dropped: dict[bytes, Exception] = {}

        def drop(data: bytes, bug: Exception) -> None:
            dropped[data] = bug

        try:
            time_ms = self._clock.next_ms()
        except Problem as problem:
            self._give_up(tickets, problem)
            return
        block = Block(
            evidence=[],
            height=self.ledger.tip.height + 1,
            time_ms=time_ms,
            txs=[ticket.data for ticket in tickets],
        )
        executed = self.ledger.execute(
            block,
            parsed=[ticket.transaction for ticket in tickets],
            drop=drop,
        )
        self.ledger.commit(executed)
        self.mempool.settle(list(tickets))
        self._answer(tickets, executed, dropped)

    def _answer(
        self, tickets: Sequence[Ticket], executed: Executed, dropped: dict[bytes, Exception]
    ) -> None:
        outcome = executed.outcome
        position = 0
        for ticket in tickets:
            if ticket.data in dropped:
                self._keep_aside(ticket, dropped[ticket.data])
                continue
            done = Done(ticket.transaction.id, outcome.height, position, outcome.receipts[position])
            position += 1
            ticket.done.set_result(done)

    def _keep_aside(self, ticket: Ticket, bug: Exception) -> None:
        """A handler's bug must not stop the ledger: keep the transaction, tell, go on."""
        self._quarantine.mkdir(parents=True, exist_ok=True)
        name = f"{ticket.transaction.id.hex()}.tx"
        (self._quarantine / name).write_bytes(ticket.data)
        log.error("engine.handler_bug", transaction=ticket.transaction.id.hex(), reason=str(bug))
        ticket.done.set_exception(
            Problem(
                Category.FAULT,
                "HandlerBug",
                f"a bug in Salus: the transaction is kept in quarantine as {name}; report it",
            )
        )

    def _give_up(self, tickets: Sequence[Ticket], problem: Problem) -> None:
        self.mempool.settle(list(tickets))
        for ticket in tickets:
            ticket.done.set_exception(problem)

    def _check_running(self) -> None:
        if self._failure is not None or self._stopping:
            raise Problem(
                Category.UNAVAILABLE,
                "NodeStopped",
                "this node takes no transactions any more; see its log, then restart it",
            )


def _follow(ticket: Ticket, other: "Future[Done]") -> None:
    """End a second ticket of one transaction as the first ended."""
    error = other.exception()
    if error is not None:
        ticket.done.set_exception(error)
    else:
        ticket.done.set_result(other.result())
