"""
From a block's tickets to the requests that wait: one wake-up of the event loop, however many.

The block writer ends tickets one by one in its own thread; waking the loop for each would cost more
than the block. The first end rings the bell, and the loop then takes all that have ended. One alarm
looks after all who wait: each waits equally long, so they give up in the order they came.
"""

import asyncio
from collections import deque
from concurrent.futures import Future

from salus.base.errors import Category, Problem
from salus.node.mempool import Done

WAIT_S = 30.0
"""How long a request waits for its block before its outcome is told as unknown."""

LOOK_S = 1.0
"""How often those are looked for who waited so long."""


class Wakeups:
    """The bridge into one event loop; `wait` is called in the loop, tickets end in any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wait_s: float = WAIT_S) -> None:
        """`loop`: where the requests wait; `wait_s`: for how long, and up to `LOOK_S` longer."""
        self.loop = loop
        self._wait_s = wait_s
        self._ended: deque[tuple[asyncio.Future[Done], Future[Done]]] = deque()
        self._rung = False
        self._waiting: deque[tuple[float, asyncio.Future[Done]]] = deque()
        self._looks = False

    async def wait(self, done: Future[Done]) -> Done:
        """The ticket's end; raises what it was refused with, or Problem UnknownOutcome."""
        waiting: asyncio.Future[Done] = self.loop.create_future()
        self._waiting.append((self.loop.time() + self._wait_s, waiting))
        if not self._looks:
            self._look()
        done.add_done_callback(lambda ended: self._tell(waiting, ended))
        return await waiting

    def _tell(self, waiting: asyncio.Future[Done], ended: Future[Done]) -> None:
        # The end is in the queue before the bell is looked at, and `_drain` lets the bell go before
        # it looks into the queue: no end is left behind. Two rings do no harm.
        self._ended.append((waiting, ended))
        if not self._rung:
            self._rung = True
            self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._rung = False
        while self._ended:
            waiting, ended = self._ended.popleft()
            if waiting.done():
                continue
            error = ended.exception()
            if error is None:
                waiting.set_result(ended.result())
            else:
                waiting.set_exception(error)
        self._let_go(0.0)

    def _let_go(self, until_s: float) -> None:
        """Forget the oldest as far as they were answered; who waits since before gives up."""
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= until_s):
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(unknown_outcome())

    def _look(self) -> None:
        """End those who waited too long, and look again while anybody waits."""
        self._let_go(self.loop.time())
        self._looks = bool(self._waiting)
        if self._looks:
            self.loop.call_later(LOOK_S, self._look)


def unknown_outcome() -> Problem:
    """504: the transaction may still be done; the same bytes may be sent again."""
    return Problem(
        Category.UNKNOWN_OUTCOME,
        "UnknownOutcome",
        f"no block within {WAIT_S:.0f} s; send the same bytes again: it is done once",
    )
