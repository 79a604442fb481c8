"""
What waits for a block while CometBFT keeps the mempool: who may add to it, and who waits for it.

CometBFT holds the bytes and their order; here stand the quotas, the nonces under way, the parsed
transactions (so that a block need not parse them again) and the tickets of local callers. A
transaction comes in once, by a door of this node or from another node, and leaves when a block
decides it, when a recheck refuses it, or after 60 s.
"""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

from salus.base.errors import Category, Problem, Refusal
from salus.base.limits import POOL_BYTES_MAX, WAITING_PER_KEY_MAX
from salus.machine.refusals import NonceUsed
from salus.machine.transaction import Transaction
from salus.node.admission import Admission
from salus.node.block_clock import BlockClock
from salus.node.ledger import Executed, Ledger
from salus.node.mempool import (
    Done,
    KeyQuota,
    MemberQuota,
    MempoolFull,
    StorageFull,
    Ticket,
    node_stopped,
)
from salus.node.ports import Clock

TRANSACTIONS_MAX = 5_000
"""What CometBFT's mempool holds too: it looks through all of them after each block."""

WAIT_S_MAX = 60.0
"""After so long a transaction no longer counts against its key; CometBFT may still hold it."""


@dataclass(slots=True)
class _Held:
    """What one member has waiting."""

    count: int = 0
    size_bytes: int = 0


NOBODY: "Future[Done]" = Future()
"""In tickets of transactions that other nodes sent: nobody waits for them here. Whoever comes to
wait for one brings a ticket that takes its place."""


class Waiting:
    """Thread-safe: doors, the mempool connection and the consensus connection meet here."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """`clock`: tells how long one waits, and whether it has expired by now."""
        self._ledger = ledger
        self._clock = clock
        self._admission = Admission(ledger, BlockClock(clock, ledger.tip.time_ms))
        self._lock = threading.Lock()
        self._by_id: OrderedDict[bytes, tuple[Ticket, float]] = OrderedDict()
        self._by_hash: dict[bytes, Transaction] = {}
        self._per_key: dict[bytes, set[int]] = {}
        self._held: dict[bytes, _Held] = {}
        self._bytes = 0
        self._closed = False

    def __len__(self) -> int:
        """Transactions that wait."""
        return len(self._by_id)

    def find(self, tx_hash: bytes) -> Transaction | None:
        """The transaction with these very bytes (SHA-256 of the envelope): its signature holds."""
        return self._by_hash.get(tx_hash)

    def waiting(self, transaction_id: bytes) -> Ticket | None:
        """The ticket of a transaction that waits."""
        found = self._by_id.get(transaction_id)
        return None if found is None else found[0]

    def tickets(self) -> list[Ticket]:
        """All that wait, oldest first."""
        with self._lock:
            return [ticket for ticket, _ in self._by_id.values()]

    def overdue(self, after_s: float) -> list[Ticket]:
        """Those that somebody here has waited for so long, oldest first."""
        latest_s = self._clock.monotonic() - after_s
        with self._lock:
            return [
                ticket
                for ticket, since_s in self._by_id.values()
                if since_s <= latest_s and ticket.done is not NOBODY
            ]

    def add(self, ticket: Ticket) -> Ticket:
        """
        Take in a transaction whose signature holds, or return the ticket of the same one.

        Refuses, in this order: StorageFull, MempoolFull, KeyQuota, what `Admission` refuses,
        MemberQuota, NonceUsed (by one that waits, this body under another signature too). After
        `close`: Problem NodeStopped.
        """
        transaction = ticket.transaction
        with self._lock:
            if self._closed:
                raise node_stopped()
            self._forget_old()
            waiting = self._by_id.get(transaction.id)
            if waiting is not None:
                kept = _same(waiting[0], transaction)
                return self._hear(ticket, waiting) if kept.done is NOBODY else kept
            self._check_room(transaction)
            ticket.member = self._admission.check(ticket)
            self._check_member_and_nonce(ticket)
            self._keep(ticket)
        return ticket

    def recheck(self, transaction: Transaction) -> None:
        """Check key, expiry and nonce on the new tip; what is refused waits no more."""
        with self._lock:
            waiting = self._by_id.get(transaction.id)
            ticket = waiting[0] if waiting else Ticket(b"", transaction, done=NOBODY)
            try:
                self._admission.check(ticket)
            except Refusal as refusal:
                if waiting:
                    self._drop(ticket)
                    _refuse(ticket, refusal)
                raise

    def settle(self, executed: Executed) -> None:
        """Answer and forget all that a committed block decided."""
        outcome = executed.outcome
        first = executed.first_index
        decided: list[tuple[Ticket, Done]] = []
        with self._lock:
            for position, tx_id in enumerate(outcome.ids):
                waiting = self._by_id.get(tx_id)
                if waiting is not None:
                    self._drop(waiting[0])
                    if waiting[0].done is NOBODY:
                        continue
                    receipt = outcome.receipts[position]
                    done = Done(tx_id, outcome.height, position, first + position, receipt)
                    decided.append((waiting[0], done))
        for ticket, done in decided:
            ticket.done.set_result(done)

    def refuse(self, ticket: Ticket, why: Exception) -> None:
        """End a ticket that CometBFT did not take; nothing if it has ended already."""
        with self._lock:
            waiting = self._by_id.get(ticket.transaction.id)
            if waiting is None or waiting[0] is not ticket:
                return
            self._drop(ticket)
        _refuse(ticket, why)

    def close(self) -> None:
        """Take in nothing more; whoever waits is told that the node stopped."""
        with self._lock:
            self._closed = True
            tickets = [ticket for ticket, _ in self._by_id.values()]
            for ticket in tickets:
                self._drop(ticket)
        for ticket in tickets:
            _refuse(ticket, node_stopped())

    def _check_room(self, transaction: Transaction) -> None:
        if self._ledger.storage_full:
            raise StorageFull
        full = len(self._by_id) >= TRANSACTIONS_MAX
        if full or self._bytes + transaction.size > POOL_BYTES_MAX:
            raise MempoolFull
        if len(self._per_key.get(transaction.key_id, ())) >= WAITING_PER_KEY_MAX:
            raise KeyQuota(limit=WAITING_PER_KEY_MAX)

    def _check_member_and_nonce(self, ticket: Ticket) -> None:
        """A member holds at most a quarter of the pool, by count and by bytes."""
        transaction = ticket.transaction
        held = self._held.get(ticket.member) or _Held()
        count_max, bytes_max = TRANSACTIONS_MAX // 4, POOL_BYTES_MAX // 4
        if held.count >= count_max or held.size_bytes + transaction.size > bytes_max:
            raise MemberQuota(limit=count_max)
        nonces = self._per_key.get(transaction.key_id, set())
        if transaction.nonce in nonces:
            raise NonceUsed(nonce=transaction.nonce, floor=min(nonces))

    def _keep(self, ticket: Ticket) -> None:
        transaction = ticket.transaction
        held = self._held.setdefault(ticket.member, _Held())
        held.count += 1
        held.size_bytes += transaction.size
        self._per_key.setdefault(transaction.key_id, set()).add(transaction.nonce)
        self._by_id[transaction.id] = (ticket, self._clock.monotonic())
        self._by_hash[transaction.hash] = transaction
        self._bytes += transaction.size

    def _hear(self, ticket: Ticket, waiting: tuple[Ticket, float]) -> Ticket:
        """Put a caller's ticket in the place of one that nobody waits for."""
        strange, since_s = waiting
        ticket.member = strange.member
        self._by_id[ticket.transaction.id] = (ticket, since_s)
        return ticket

    def _drop(self, ticket: Ticket) -> None:
        transaction = ticket.transaction
        del self._by_id[transaction.id]
        del self._by_hash[transaction.hash]
        self._bytes -= transaction.size
        nonces = self._per_key[transaction.key_id]
        nonces.discard(transaction.nonce)
        if not nonces:
            del self._per_key[transaction.key_id]
        held = self._held[ticket.member]
        held.count -= 1
        held.size_bytes -= transaction.size
        if not held.count:
            del self._held[ticket.member]

    def _forget_old(self) -> None:
        oldest_s = self._clock.monotonic() - WAIT_S_MAX
        old: list[Ticket] = []
        for ticket, since_s in self._by_id.values():
            if since_s > oldest_s:
                break
            old.append(ticket)
        for ticket in old:
            self._drop(ticket)
            _refuse(ticket, unknown_outcome(f"no block within {WAIT_S_MAX:.0f} s"))


def _refuse(ticket: Ticket, why: Exception) -> None:
    if ticket.done is not NOBODY:
        ticket.done.set_exception(why)


def follow(ticket: Ticket, other: Ticket) -> None:
    """End a second ticket of one transaction as the first ends."""

    def end() -> None:
        error = other.done.exception()
        if error is not None:
            ticket.done.set_exception(error)
        else:
            ticket.done.set_result(other.done.result())

    other.done.add_done_callback(lambda _: end())


def unknown_outcome(why: str) -> Problem:
    """What a caller is told whose transaction may or may not come into a block."""
    return Problem(
        Category.UNKNOWN_OUTCOME,
        "UnknownOutcome",
        f"{why}; send the same bytes again: it is done once",
    )


def _same(ticket: Ticket, transaction: Transaction) -> Ticket:
    if ticket.transaction.hash != transaction.hash:
        # The same body under a second signature: one of the two can run, and one is here.
        raise NonceUsed(nonce=transaction.nonce, floor=transaction.nonce)
    return ticket
