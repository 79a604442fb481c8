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
from salus.machine.refusals import SignatureInvalid
from salus.machine.tables import META
from salus.machine.transaction import has_signature
from salus.node.admission import Admission
from salus.node.block_clock import BlockClock
from salus.node.decided import Decided
from salus.node.in_order import InOrder
from salus.node.ledger import Executed, Ledger, Tip
from salus.node.mempool import Done, Mempool, Moved, StorageFull, Ticket, node_stopped
from salus.node.ports import Clock, RealClock
from salus.node.quarantine import Quarantine
from salus.node.tracing import traces
from salus.node.verify_pool import Remembered, VerifyPool

log = structlog.get_logger()

IDLE_MS_MAX = 30_000
"""A tip older than this is renewed by an empty block when a receipt or release needs fresh time."""

DUE_AHEAD = 2
"""An agenda entry due within so many heights makes the engine go on without transactions."""

IDLE_TICK_S = 0.5
"""How often an idle engine looks at the agenda."""

ROOM_RETRY_S = 5.0
"""How often a node with a full disk looks for room (`ledger.md` §5.4)."""


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
        self._quarantine = Quarantine(quarantine)
        self._steady = clock or RealClock()
        self._clock = BlockClock(self._steady, ledger.tip.time_ms)
        self._next_try_s = 0.0
        self._why_no_block = ""
        self._admission = Admission(ledger, self._clock)
        self._decided = Decided(ledger)
        self._pool = pool or VerifyPool(ledger.network)
        self._remembered = Remembered()
        self._order = InOrder(self._admit)
        self._renew = threading.Event()
        self._stopping = False
        self._moved = self._is_moved()
        self._failure: BaseException | None = None
        self._writer = threading.Thread(target=self._write, name="block-writer", daemon=True)
        self._writer.start()

    def submit(self, data: bytes) -> Ticket:
        """
        Hand in an envelope; its ticket is done when the block that holds it is durable.

        Size and form are checked at once (machine refusals 1-7 raise here); signature, a moved
        ledger, a full disk, quotas, key, expiry and nonce end the ticket with their Refusal. Raises
        Problem NodeStopped.
        """
        if self._failure is not None or self._stopping:
            raise node_stopped()
        transaction = self.ledger.machine.form.read(data)
        ticket = Ticket(data, transaction, way=traces.way())
        alone = self._order.is_idle and not self.mempool
        self._order.expect(ticket)
        if transaction.hash in self._remembered:
            self._order.answer(ticket, holds=True)
        elif alone:
            # Nobody waits: the way to another thread would take longer than the check.
            holds = has_signature(self.ledger.network, transaction)
            self._order.answer(ticket, holds=holds)
        else:
            self._pool.submit(data, lambda holds: self._order.answer(ticket, holds=holds))
        return ticket

    def unready(self) -> str | None:
        """Why no block is made any more; None while the writer works."""
        if self._failure is None:
            return None
        return (
            f"its engine stopped at block {self.ledger.tip.height} "
            f"({type(self._failure).__name__}): look at its log and disk, then start it again"
        )

    def submit_and_wait(self, data: bytes, timeout_s: float = 30.0) -> Done:
        """Hand in and wait; raises the Refusal of admission, or Problem UnknownOutcome."""
        try:
            return self.submit(data).done.result(timeout_s)
        except TimeoutError:
            raise _unknown_outcome(f"no block within {timeout_s} s") from None

    def fresh_tip(self) -> Tip:
        """The tip, renewed by an empty block if it is over 30 s old."""
        tip = self.ledger.tip
        if self._clock.age_ms(tip.time_ms) <= IDLE_MS_MAX:
            return tip
        self._renew.set()
        self.mempool.wake()
        return self.ledger.wait_above(tip.height, 5.0)

    def accept_clock(self) -> None:
        """Believe the system's clock after it stepped: an operator looked at it."""
        self._clock.accept()
        self.mempool.wake()

    def close(self) -> None:
        """Finish the block in work, refuse what waits, stop."""
        self._stopping = True
        self._refuse_waiting()
        self._writer.join()
        self._pool.close()

    def _admit(self, ticket: Ticket, signature_holds: bool) -> None:  # noqa: FBT001 (as InOrder calls it)
        if ticket.way is not None:
            ticket.way.step("transaction.verify")
        if not signature_holds:
            ticket.done.set_exception(SignatureInvalid())
            return
        self._remembered.add(ticket.transaction.hash)
        try:
            kept = self._take_in(ticket)
        except Exception as error:  # noqa: BLE001 (whatever it is, somebody waits for the ticket)
            if not isinstance(error, (Refusal, Problem)):
                log.error("engine.admission_failed", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
            ticket.done.set_exception(error)
            return
        if ticket.way is not None:
            ticket.way.step("transaction.admit")
            ticket.way.ends_with(kept.done)
        if kept is not ticket:
            kept.done.add_done_callback(lambda other: _follow(ticket, other))

    def _take_in(self, ticket: Ticket) -> Ticket:
        """The ticket that waits for a block, or this one, ended by the block that held it."""
        try:
            if self._moved:
                raise Moved
            if self.ledger.storage_full:
                raise StorageFull
            return self.mempool.add(ticket, self._admission.check)
        except Refusal:
            # Whatever a block decided before is refused here, since its nonce is spent.
            done = self._decided.spent(ticket.transaction.id)
            if done is None:
                raise
            ticket.done.set_result(done)
            return ticket

    def _write(self) -> None:
        try:
            while not self._stopping:
                tickets = self.mempool.take(IDLE_TICK_S)
                self._look_for_room()
                if self._moved:
                    self._end(tickets, Moved())
                elif tickets or self._wants_empty_block():
                    self._make_block(tickets)
        except BaseException as error:  # noqa: BLE001 (whatever ends the writer ends acceptance)
            self._failure = error
            log.error("engine.stopped", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
            self._refuse_waiting()

    def _look_for_room(self) -> None:
        """While the disk is full, look every 5 s whether the journal can go on."""
        if self.ledger.storage_full and self._steady.monotonic() >= self._next_try_s:
            self._next_try_s = self._steady.monotonic() + ROOM_RETRY_S
            self.ledger.make_room()
            log.warning("engine.storage_full", still=self.ledger.storage_full)

    def _is_moved(self) -> bool:
        """Whether the members voted that their own nodes order: then no block of one process."""
        meta = self.ledger.view().read(META)
        return meta is None or meta.mode != "embedded"

    def _wants_empty_block(self) -> bool:
        if self._renew.is_set():
            return True
        due = self.ledger.machine.next_due(self.ledger.view())
        return due is not None and due <= self.ledger.tip.height + DUE_AHEAD

    def _make_block(self, tickets: Sequence[Ticket]) -> None:
        self._renew.clear()
        dropped: dict[bytes, Exception] = {}
        try:
            with traces.block(tickets) as mark:
                executed = self._execute(tickets, dropped)
                mark.note(height=executed.block.height, count=len(tickets))
                self.ledger.commit(executed)
        except Problem as problem:
            # The clock stepped or the disk is full: nothing was written, and the ledger goes on.
            self._tell_why(problem.name)
            self._end(tickets, StorageFull() if problem.name == "StorageFull" else problem)
            return
        except BaseException:
            self._end(tickets, _unknown_outcome("the node failed while it made the block"))
            raise
        self._why_no_block = ""
        if executed.outcome.events:
            self._moved = self._is_moved()
        self.mempool.settle(tickets)
        self._answer(tickets, executed, dropped)

    def _execute(self, tickets: Sequence[Ticket], dropped: dict[bytes, Exception]) -> Executed:
        """The next block of these transactions; `dropped` takes those whose handler has a bug."""
        block = Block(
            evidence=[],
            height=self.ledger.tip.height + 1,
            time_ms=self._clock.next_ms(),
            txs=[ticket.data for ticket in tickets],
        )
        parsed = [ticket.transaction for ticket in tickets]
        return self.ledger.execute(block, parsed=parsed, drop=dropped.__setitem__)

    def _answer(
        self, tickets: Sequence[Ticket], executed: Executed, dropped: dict[bytes, Exception]
    ) -> None:
        height = executed.outcome.height
        receipts = executed.outcome.receipts
        index = executed.first_index
        position = 0
        for ticket in tickets:
            if ticket.data in dropped:
                ticket.done.set_exception(self._keep_aside(ticket, dropped[ticket.data]))
                continue
            done = Done(
                ticket.transaction.id, height, position, index + position, receipts[position]
            )
            position += 1
            ticket.done.set_result(done)

    def _keep_aside(self, ticket: Ticket, bug: Exception) -> Problem:
        """A handler's bug must not stop the ledger: keep the transaction, tell, go on."""
        kept = self._quarantine.keep(ticket.transaction.id, ticket.data, bug)
        return Problem(
            Category.FAULT,
            "HandlerBug",
            f"a bug in Salus: report it; kept in quarantine is {kept}",
        )

    def _end(self, tickets: Sequence[Ticket], why: Exception) -> None:
        self.mempool.settle(tickets)
        for ticket in tickets:
            ticket.done.set_exception(why)

    def _refuse_waiting(self) -> None:
        for ticket in self.mempool.close():
            ticket.done.set_exception(node_stopped())

    def _tell_why(self, name: str) -> None:
        """Log why there is no block, once, not with every try."""
        if name != self._why_no_block:
            self._why_no_block = name
            log.error("engine.no_block", reason=name)


def _unknown_outcome(why: str) -> Problem:
    return Problem(
        Category.UNKNOWN_OUTCOME,
        "UnknownOutcome",
        f"{why}; send the same bytes again: it is done once",
    )


def _follow(ticket: Ticket, other: "Future[Done]") -> None:
    """End a second ticket of one transaction as the first ended."""
    error = other.exception()
    if error is not None:
        ticket.done.set_exception(error)
    else:
        ticket.done.set_result(other.result())
