"""
Sign and send transactions: one key, many in flight, each done once.

A nonce is spent by what was sent; what ends unknown is sent again with the same bytes, and the
nonce makes it one transaction. What is refused surfaces as its receipt's code.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from salus.base.errors import Category, Problem, Refusal
from salus.base.signing import SigningKey
from salus.machine.module import Message
from salus.machine.transaction import sign

LIFETIME_MS = 120_000
"""How long a transaction may wait: long enough for a stall, short enough to know its fate."""


TRIES = 3
"""How often the same bytes are sent before the caller is told that their end is unknown."""

PAUSE_S = 0.5
"""Before the bytes are sent again."""

UNKNOWN = frozenset({Category.BUSY, Category.UNAVAILABLE, Category.UNKNOWN_OUTCOME})
"""What says nothing about the transaction: its bytes may be sent again."""


class Ended(Protocol):
    """What sending gives back: where the transaction stands and its receipt."""

    @property
    def id(self) -> bytes:
        """Transaction id, 32 B."""
        ...

    @property
    def height(self) -> int:
        """Of its block."""
        ...


End = TypeVar("End", bound=Ended)


class Submitter:
    """Signs with one key; thread-safe."""

    def __init__(
        self,
        network: bytes,
        key: SigningKey,
        *,
        next_nonce: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        """`next_nonce`: the lowest nonce above all that the ledger knows as spent by this key."""
        self._network = network
        self._key = key
        self._next_nonce = next_nonce
        self._now_ms = now_ms
        self._nonce = -1
        self._lock = threading.Lock()

    def sign(self, messages: Sequence[Message]) -> bytes:
        """An envelope with a nonce of its own."""
        with self._lock:
            self._nonce = max(self._nonce + 1, self._next_nonce())
            nonce = self._nonce
        return sign(
            self._network,
            self._key,
            messages,
            nonce=nonce,
            until_ms=self._now_ms() + LIFETIME_MS,
        )

    def submit(self, messages: Sequence[Message], send: Callable[[bytes], End]) -> End:
        """
        Sign, send, wait, and send the same bytes again while their end is unknown.

        `send` raises the Refusal of admission or a Problem; the last one passes through.
        """
        envelope = self.sign(messages)
        for _ in range(TRIES - 1):
            try:
                return send(envelope)
            except (Problem, Refusal) as no:
                if no.category not in UNKNOWN:
                    raise
            time.sleep(PAUSE_S)
        return send(envelope)
