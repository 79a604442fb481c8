"""
Rows read from the disk lately: keys and members stand in every block and hardly ever change.

Two generations instead of a list by age: when the young one is full, the old one is let go, and
what is asked for again is read again. Any thread may look; who keeps or forgets holds the store's
lock, and keeps only what no block changed since it was read.
"""

from collections.abc import Iterable

GENERATION_MAX = 8_192
"""Rows in each of the two generations: some 4 MB at 250 B a row, 16 MiB at most."""

ROW_BYTES_MAX = 1_024
"""A longer value is not kept: a row may have 64 KiB, and memory stays bounded."""


class Recent:
    """State key -> value at the base; never one that a layer holds a newer value of."""

    __slots__ = ("_most", "_old", "_young")

    def __init__(self, most: int = GENERATION_MAX) -> None:
        """`most`: rows in a generation."""
        self._most = most
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}

    def find(self, key: bytes) -> bytes | None:
        """The value, or None if it was not read lately."""
        return self._young.get(key) or self._old.get(key)

    def keep(self, key: bytes, value: bytes) -> None:
        """Remember a value that is neither empty nor long."""
        if len(value) > ROW_BYTES_MAX:
            return
        if len(self._young) >= self._most:
            self._old = self._young
            self._young = {}
        self._young[key] = value

    def forget(self, keys: Iterable[bytes]) -> None:
        """Let go of rows that are being changed."""
        for key in keys:
            self._young.pop(key, None)
            self._old.pop(key, None)
