"""
Sign and send transactions: one key, many in flight, each done once.

A nonce is spent by what was sent; what ends unknown is sent again with the same bytes, and the
nonce makes it one transaction. What is refused surfaces as its receipt's code.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from salus.base.errors import Category, Problem, Refusal
from salus.base.signing import SigningKey
from salus.machine.module import Message
from salus.machine.transaction import sign

LIFETIME_MS = 120_000
"""How long a transaction may wait: long enough for a stall, short enough to know its fate."""

TRIES = 3
"""How often the same bytes are sent while their end is unknown."""

PAUSE_S = 0.1
"""Before the second try; it doubles."""

NONCE_USED = "NonceUsed"
"""Name of the no to a nonce that another transaction of this key holds."""


End = TypeVar("End")
"""What sending gives back: where the transaction stands and its receipt."""


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
        Sign, send, wait; what `send` raises passes through.

        Another program that signs with this key, or this one before a restart, may have a
        transaction waiting with the nonce the ledger gives out next: then the messages are signed
        anew.
        """
        for _ in range(TRIES - 1):
            try:
                return send_until_known(self.sign(messages), send)
            except (Problem, Refusal) as error:
                if name_of(error) != NONCE_USED:
                    raise
        return send_until_known(self.sign(messages), send)


def send_until_known(envelope: bytes, send: Callable[[bytes], End]) -> End:
    """Send an envelope, the same bytes again while nobody says what became of it."""
    for attempt in range(TRIES - 1):
        try:
            return send(envelope)
        except Problem as problem:
            if is_final(problem):
                raise
        time.sleep(PAUSE_S * 2**attempt)
    return send(envelope)


def is_final(error: Problem | Refusal) -> bool:
    """
    Whether a "no" says that the transaction is in no block: it has a number, or was malformed.

    All others leave open what became of the bytes that were sent.
    """
    if isinstance(error, Refusal) or "code" in error.facts:
        return True
    return error.category not in (Category.UNAVAILABLE, Category.UNKNOWN_OUTCOME)


def name_of(error: Problem | Refusal) -> str:
    """The stable name of a "no" from here or, through a peer's door, from there."""
    return error.name if isinstance(error, Problem) else type(error).__name__
