"""
Room on the disk a ledger lies on: no write is begun that might not be ended.

The journal has its spare, but the log files and the state store grow with every block, and a write
of theirs that fails ends the process. So transactions are refused while there is still room for all
that the blocks under way may write, and reads go on.
"""

import os
import time
from pathlib import Path

from salus.base.errors import Category, Problem

RESERVE_BYTES = 256 * 1024 * 1024
"""RocksDB's write-ahead log of 128 MB, its memtables of 64 MB written out, and as much for tables
it merges; log files and journal are small beside that."""


LOOK_EVERY_S = 0.25
"""The system is asked so often at admission; before each block it is asked anew."""


class Room:
    """Asked by any thread, with every transaction."""

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        """`reserve_bytes`: what the blocks under way may need; smaller in tests."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._free = 0
        self._looked_s = -LOOK_EVERY_S

    @property
    def short(self) -> bool:
        """Whether no more transactions may be taken in; as it was at most 0.25 s ago."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._free = self._free_bytes()
            self._looked_s = now_s
        return self._free < self._reserve_bytes

    def check(self) -> None:
        """Raise Problem StorageFull if no block or start may be begun: a quarter is for a stop."""
        least, free = self._reserve_bytes // 4, self._free_bytes()
        if free < least:
            raise Problem(
                Category.UNAVAILABLE,
                "StorageFull",
                f"expected {least} bytes free on the ledger's disk, found {free}: free some space. "
                "A node that runs goes on by itself; one that did not start is started again",
            )

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize
