"""
Admission only: what may wait for a block, in whose name, and how much of it (`ledger.md` §5.3).

Only envelopes whose signature holds come here, so garbage in a victim's name costs the victim
nothing. Waiting transactions are taken round-robin over members, in order within a member.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salus.base.errors import Category, Problem, Refusal
from salus.base.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_MESSAGES_MAX,
    BLOCK_TRANSACTIONS_MAX,
    POOL_BYTES_MAX,
    POOL_TRANSACTIONS_MAX,
    WAITING_PER_KEY_MAX,
)
from salus.machine.block import Receipt
from salus.machine.refusals import NonceUsed
from salus.machine.transaction import Transaction

if TYPE_CHECKING:
    from salus.node.telemetry import Way

POOL_CODE = 32_000
"""Admission's codes begin above every module's; they never stand in a receipt."""


class AdmissionRefusal(Refusal, number=0, category=Category.BUSY):
    """The base of refusals at admission; a later try may pass."""

    module = POOL_CODE // 1000


class MempoolFull(AdmissionRefusal, number=1, category=Category.BUSY):
    """Too many transactions wait; try again in a second."""


class KeyQuota(AdmissionRefusal, number=2, category=Category.BUSY):
    """This key has too many transactions waiting; wait for their receipts."""

    limit: int


class MemberQuota(AdmissionRefusal, number=3, category=Category.BUSY):
    """This member holds its quarter of the pool; wait for receipts."""

    limit: int


class StorageFull(AdmissionRefusal, number=4, category=Category.UNAVAILABLE):
    """The disk is full; reads go on, and writing resumes when there is room."""


class Moved(AdmissionRefusal, number=5, category=Category.UNAVAILABLE):
    """The members' own nodes order blocks from now on: send to one of them."""


@dataclass(frozen=True, slots=True)
class Done:
    """A transaction's end: where it stands and what became of it."""

    id: bytes
    height: int
    position: int
    """Among the block's transactions, from 0."""

    index: int
    """Of its entry in the log."""

    receipt: Receipt


def _promise() -> "Future[Done]":
    promise: Future[Done] = Future()
    # Once submitted it cannot be cancelled: a caller who leaves must not surprise the writer.
    promise.set_running_or_notify_cancel()
    return promise


@dataclass(slots=True)
class Ticket:
    """A caller's handle on a submitted transaction."""

    data: bytes
    transaction: Transaction
    member: bytes = b""
    done: "Future[Done]" = field(default_factory=_promise)
    way: "Way | None" = None
    """Its trace, if one is kept."""


@dataclass(slots=True)
class _Held:
    """What one member has waiting or in execution."""

    count: int = 0
    size_bytes: int = 0


class Mempool:
    """Thread-safe; `take` is the one block writer's."""

    def __init__(self) -> None:
        """Empty."""
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._queues: OrderedDict[bytes, deque[Ticket]] = OrderedDict()
        self._by_id: dict[bytes, Ticket] = {}
        self._per_key: dict[bytes, set[int]] = {}
        self._held: dict[bytes, _Held] = {}
        self._bytes = 0
        self._woken = False
        self._closed = False

    def __len__(self) -> int:
        """Transactions that wait or are being executed."""
        return len(self._by_id)

    def waiting(self, transaction_id: bytes) -> Ticket | None:
        """The ticket of a transaction that waits or is being executed."""
        return self._by_id.get(transaction_id)

    def add(self, ticket: Ticket, admit: Callable[[Ticket], bytes]) -> Ticket:
        """
        Take in a verified transaction, or return the ticket of the same one that waits already.

        `admit(ticket)`: checks key, expiry and nonce on the tip and returns the member. Refuses, in
        this order: MempoolFull, KeyQuota, what `admit` refuses, MemberQuota, NonceUsed (by one that
        waits). After `close`: Problem NodeStopped.
        """
        transaction = ticket.transaction
        with self._lock:
            if self._closed:
                raise node_stopped()
            waiting = self._by_id.get(transaction.id)
            if waiting is not None:
                return waiting
            self._check_room(transaction)
            ticket.member = admit(ticket)
            held = self._held.get(ticket.member) or _Held()
            _check_share(held, transaction)
            nonces = self._per_key.setdefault(transaction.key_id, set())
            if transaction.nonce in nonces:
                raise NonceUsed(nonce=transaction.nonce, floor=min(nonces))
            nonces.add(transaction.nonce)
            held.count += 1
            held.size_bytes += transaction.size
            self._held[ticket.member] = held
            self._queues.setdefault(ticket.member, deque()).append(ticket)
            self._by_id[transaction.id] = ticket
            self._bytes += transaction.size
            self._arrived.notify()
        return ticket

    def take(self, timeout_s: float | None = None) -> list[Ticket]:
        """
        All that waits, up to a block; waits for the first one.

        Empty when `timeout_s` passed, or after `wake` or `close`. What is taken counts as waiting
        until `settle`.
        """
        with self._lock:
            self._arrived.wait_for(
                lambda: self._closed or self._woken or bool(self._queues), timeout_s
            )
            self._woken = False
            return self._take_block()

    def wake(self) -> None:
        """Let `take` return at once, though nothing waits: there is other work."""
        with self._lock:
            self._woken = True
            self._arrived.notify()

    def settle(self, tickets: Sequence[Ticket]) -> None:
        """Forget transactions that a block decided, or that were dropped."""
        with self._lock:
            for ticket in tickets:
                transaction = ticket.transaction
                if self._by_id.pop(transaction.id, None) is None:
                    continue
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

    def close(self) -> list[Ticket]:
        """Take in nothing more and wake the writer for the last time; what waited is returned."""
        with self._lock:
            self._closed = True
            waiting = [ticket for queue in self._queues.values() for ticket in queue]
            self._queues.clear()
            self._arrived.notify_all()
        self.settle(waiting)
        return waiting

    def _check_room(self, transaction: Transaction) -> None:
        full = len(self._by_id) >= POOL_TRANSACTIONS_MAX
        if full or self._bytes + transaction.size > POOL_BYTES_MAX:
            raise MempoolFull
        if len(self._per_key.get(transaction.key_id, ())) >= WAITING_PER_KEY_MAX:
            raise KeyQuota(limit=WAITING_PER_KEY_MAX)

    def _take_block(self) -> list[Ticket]:
        taken: list[Ticket] = []
        size = messages = 0
        while self._queues and len(taken) < BLOCK_TRANSACTIONS_MAX:
            member, queue = next(iter(self._queues.items()))
            first = queue[0].transaction
            size += first.size
            messages += len(first.messages)
            if taken and (size > BLOCK_BYTES_MAX or messages > BLOCK_MESSAGES_MAX):
                break
            taken.append(queue.popleft())
            self._queues.move_to_end(member)
            if not queue:
                del self._queues[member]
        return taken


def node_stopped() -> Problem:
    """What those are told who come, or still wait, when the node stops."""
    return Problem(
        Category.UNAVAILABLE,
        "NodeStopped",
        "this node takes no transactions any more; see its log, then restart it",
    )


def _check_share(held: _Held, transaction: Transaction) -> None:
    """A member holds at most a quarter of the pool, by count and by bytes."""
    count_max, bytes_max = POOL_TRANSACTIONS_MAX // 4, POOL_BYTES_MAX // 4
    if held.count >= count_max or held.size_bytes + transaction.size > bytes_max:
        raise MemberQuota(limit=count_max)
