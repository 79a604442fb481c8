"""
Keeps the order in which transactions came while their signatures are checked in any order.

Who sends one after another, without waiting, finds them executed so: audit lines keep their
numbers, and an act may rest on the one before it.
"""

import threading
from collections import deque
from collections.abc import Callable

from salus.node.mempool import Ticket


class InOrder:
    """Thread-safe; `admit` is called by one thread at a time."""

    def __init__(self, admit: Callable[[Ticket, bool], None]) -> None:
        """`admit(ticket, signature holds)`: called in the order of `expect`; never raises."""
        self._admit = admit
        self._lock = threading.Lock()
        self._expected: deque[Ticket] = deque()
        self._verdicts: dict[int, bool] = {}
        self._admitting = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is expected, and the last one was admitted."""
        return not self._expected and not self._admitting

    def expect(self, ticket: Ticket) -> None:
        """Keep this ticket's place."""
        with self._lock:
            self._expected.append(ticket)

    def answer(self, ticket: Ticket, *, holds: bool) -> None:
        """Tell whether an expected ticket's signature holds; admits all that can go on now."""
        with self._lock:
            self._verdicts[id(ticket)] = holds
            if self._admitting:
                return
            self._admitting = True
        while (ready := self._next()) is not None:
            self._admit(*ready)

    def _next(self) -> tuple[Ticket, bool] | None:
        with self._lock:
            verdict = self._verdicts.pop(id(self._expected[0]), None) if self._expected else None
            if verdict is None:
                self._admitting = False
                return None
            return self._expected.popleft(), verdict
