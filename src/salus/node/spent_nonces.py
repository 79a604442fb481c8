"""Which nonces a door has seen, for as long as a call with one of them could be accepted."""

import threading
from collections import OrderedDict

from salus.base.errors import Category, Problem
from salus.node.ports import Clock

NONCES_MAX = 100_000
"""Nonces remembered of one sender: 800 calls a second; who calls more is told to wait."""


class SpentNonces:
    """One process holds them; thread-safe. A sender's many calls push nobody else's out."""

    def __init__(self, clock: Clock, kept_s: float) -> None:
        """`kept_s`: how long a nonce is remembered, on the steady clock."""
        self._clock = clock
        self._kept_s = kept_s
        self._seen: dict[bytes, OrderedDict[bytes, float]] = {}
        self._lock = threading.Lock()

    def spend(self, sender: bytes, nonce: bytes) -> None:
        """Spend a nonce; raises Problem CallReplayed (409), CallsTooMany (429)."""
        now_s = self._clock.monotonic()
        with self._lock:
            seen = self._seen.setdefault(sender, OrderedDict())
            while seen and next(iter(seen.values())) < now_s - self._kept_s:
                seen.popitem(last=False)
            if nonce in seen:
                raise Problem(Category.CONFLICT, "CallReplayed", "this call was answered before")
            if len(seen) >= NONCES_MAX:
                raise Problem(Category.BUSY, "CallsTooMany", "too many calls; wait two minutes")
            seen[nonce] = now_s

    def count(self, sender: bytes) -> int:
        """How many of a sender's are remembered."""
        return len(self._seen.get(sender, ()))
