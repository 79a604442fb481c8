"""
The CometBFT engine of one node: its App served, its program run, its callers answered.

Looks like the embedded engine from outside: `submit` gives a ticket that is done when the block
which holds the transaction is in this node's journal. Order and time come from the network.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from salus.base.errors import Fault, Problem, Refusal
from salus.machine.refusals import NonceUsed, SignatureInvalid
from salus.node.comet import program
from salus.node.comet.app import App
from salus.node.comet.home import RPC_BATCH_MAX, CometHome
from salus.node.comet.process import CometProcess
from salus.node.comet.redial import Redial
from salus.node.comet.rpc import RpcClient
from salus.node.comet.server import AbciServer
from salus.node.comet.state_sync import Offers
from salus.node.comet.upkeep import Upkeep
from salus.node.comet.waiting import NOBODY, Waiting, follow, unknown_outcome
from salus.node.comet.watch import Watch, standing
from salus.node.decided import Decided
from salus.node.ledger import Ledger, Tip
from salus.node.mempool import Done, MempoolFull, Ticket, node_stopped
from salus.node.ports import FAULT_EXIT_CODE, Clock, RealClock
from salus.node.quarantine import Quarantine
from salus.node.tracing import traces
from salus.node.verify_pool import VerifyPool

log = structlog.get_logger()

RETRY_S = 0.5
"""Pause after CometBFT did not answer; while it starts it does not."""

MEMPOOL_FULL = "mempool is full"
KNOWN_ALREADY = "already exists in cache"
"""Parts of CometBFT's words (`mempool/errors.go`); any other error means: not ready yet."""

FRESH_S_MAX = 20.0
"""How long to wait for the next block when the tip is old: a heartbeat and a few seconds."""

IDLE_MS_MAX = 30_000
"""A tip older than this should be followed by a heartbeat's block soon."""


class CometEngine:
    """Started by its constructor, stopped by `close`; many threads submit."""

    def __init__(
        self,
        ledger: Ledger,
        home: CometHome,
        *,
        quarantine: Path,
        pool: VerifyPool,
        clock: Clock | None = None,
        offers: Offers | None = None,
        comet_program: Path | None = None,
        fail: Callable[[BaseException], None] | None = None,
    ) -> None:
        """
        Serve the App, then start CometBFT.

        `offers`: snapshots for the others; `comet_program`: default `program.find_or_build()`;
        `fail`: what ends the process after a fault, exit code 70 by default: whoever started the
        node starts it again.
        """
        self.ledger = ledger
        self._pool = pool
        self._clock = clock or RealClock()
        self.mempool = Waiting(ledger, self._clock)
        self._decided = Decided(ledger)
        self._outbox: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        home.write(ledger)
        app = App(ledger, self.mempool, pool.check, Quarantine(quarantine), offers, self._clock)
        self._server = AbciServer(home.abci_socket, app, fail or _end_process)
        self._rpc = RpcClient(home.rpc_socket)
        found = comet_program or program.find_or_build()
        self.process = CometProcess(found, home, self._hand_over_again)
        self._upkeep = Upkeep(ledger, home, self.process)
        self._redial = Redial(ledger, home)
        self._home = home
        self._halted: Problem | None = None
        self._watch = Watch(self.process.log, ledger, self._halt, fail or _end_process)
        self._sender = threading.Thread(target=self._send, name="comet-sender", daemon=True)
        self._sender.start()

    def submit(self, data: bytes) -> Ticket:
        """
        Hand in an envelope; its ticket is done when the block that holds it is durable here.

        Size and form are checked at once (machine refusals 1-7 raise here); signature, a full disk,
        quotas, key, expiry and nonce end the ticket with their Refusal. Raises Problem NodeStopped.
        """
        if self._stopping.is_set():
            raise node_stopped()
        ticket = Ticket(data, self.ledger.machine.form.read(data), way=traces.way())
        self._pool.submit(data, lambda holds: self._admit(ticket, signature_holds=holds))
        return ticket

    def take_in(self, data: bytes) -> None:
        """
        Hand to CometBFT what another member's node passes on; nobody here is told of its end.

        CheckTx decides as on whatever comes from another node. Raises machine refusals 1-7.
        """
        self._outbox.put(Ticket(data, self.ledger.machine.form.read(data), done=NOBODY))

    def submit_and_wait(self, data: bytes, timeout_s: float = 30.0) -> Done:
        """Hand in and wait; raises the Refusal of admission, or Problem UnknownOutcome."""
        try:
            return self.submit(data).done.result(timeout_s)
        except TimeoutError:
            raise unknown_outcome(f"no block within {timeout_s} s") from None

    def fresh_tip(self) -> Tip:
        """The tip; if it is over 30 s old, the one after it, should it come in time."""
        tip = self.ledger.tip
        if self._clock.now_ms() - tip.time_ms <= IDLE_MS_MAX:
            return tip
        return self.ledger.wait_above(tip.height, FRESH_S_MAX)

    def unready(self) -> str | None:
        """Why this node makes no blocks any more, or does not keep up; None if it does."""
        return standing(self._home.rpc_socket) if self._halted is None else self._halted.text

    def close(self) -> None:
        """Take nothing more, stop CometBFT, then the App; whoever waits is told."""
        self._stopping.set()
        self._outbox.put(None)
        self._sender.join()
        self._redial.close()
        self._upkeep.close()
        self._watch.close()
        self.process.close()
        self._server.close()
        self.mempool.close()
        self._rpc.close()

    def _halt(self, why: Problem) -> None:
        """Make no more blocks and say why; what the ledger holds can still be read."""
        log.critical("engine.halted", reason=str(why))
        self._halted = why
        self._stopping.set()
        self.process.close()
        self.mempool.close()

    def _admit(self, ticket: Ticket, *, signature_holds: bool) -> None:
        if ticket.way is not None:
            ticket.way.step("transaction.verify")
        if not signature_holds:
            ticket.done.set_exception(SignatureInvalid())
            return
        try:
            kept = self.mempool.add(ticket)
        except (Refusal, Problem) as error:
            # Whatever a block decided before is refused here, since its nonce is spent.
            self._end(ticket, error)
            return
        if ticket.way is not None:
            ticket.way.step("transaction.admit")
            ticket.way.ends_with(kept.done)
        if kept is not ticket:
            follow(ticket, kept)
        self._outbox.put(kept)

    def _end(self, ticket: Ticket, refused: Refusal | Problem) -> None:
        """Its receipt if a block decided it before; a copy without those blocks says so."""
        try:
            done = self._decided.spent(ticket.transaction.id)
        except Problem as unknown:
            ticket.done.set_exception(unknown if isinstance(refused, NonceUsed) else refused)
            return
        if done is None:
            ticket.done.set_exception(refused)
        else:
            ticket.done.set_result(done)

    def _hand_over_again(self) -> None:
        """A CometBFT that started anew knows nothing of what waits."""
        for ticket in self.mempool.tickets():
            self._outbox.put(ticket)

    def _send(self) -> None:
        while (first := self._outbox.get()) is not None:
            batch = [first, *self._more(RPC_BATCH_MAX - 1)]
            while (batch := self._hand_over(batch)) and not self._stopping.wait(RETRY_S):
                continue

    def _more(self, most: int) -> list[Ticket]:
        tickets: list[Ticket] = []
        while len(tickets) < most:
            try:
                ticket = self._outbox.get_nowait()
            except queue.Empty:
                break
            if ticket is None:
                self._outbox.put(None)
                break
            tickets.append(ticket)
        return tickets

    def _hand_over(self, batch: Sequence[Ticket]) -> list[Ticket]:
        """
        Give a batch to CometBFT; returns what it is not ready for yet.

        Its "no" to the others: it is full, or has the transaction already, which is as good as a
        "yes". What CheckTx refuses later, the App tells.
        """
        try:
            answers = self._rpc.broadcast([ticket.data for ticket in batch])
        except Problem as problem:
            log.debug("comet.waits", reason=problem.name)
            return list(batch)
        again: list[Ticket] = []
        for ticket, answer in zip(batch, answers, strict=True):
            if answer is None or KNOWN_ALREADY in answer.data:
                continue
            if MEMPOOL_FULL in answer.data:
                self.mempool.refuse(ticket, MempoolFull())
            else:
                again.append(ticket)
        return again


class CometOrdering:
    """A network member's way to the engine: its own, like everybody's."""

    def __init__(self, engine: CometEngine) -> None:
        """Of the same node."""
        self._engine = engine

    def submit(self, envelope: bytes) -> Done:
        """Hand in and wait."""
        return self._engine.submit_and_wait(envelope)

    def fresh_tip(self) -> Tip:
        """Wait for the heartbeat if need be."""
        return self._engine.fresh_tip()


def _end_process(error: BaseException) -> None:
    log.critical("engine.fault", reason=str(error))
    os._exit(error.category.exit_code if isinstance(error, Fault) else FAULT_EXIT_CODE)
