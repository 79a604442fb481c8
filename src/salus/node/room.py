"""
Room on the disk a ledger lies on: no write is begun that might not be ended.

The journal has its spare, but the log files and the state store grow with every block, and a write
of theirs that fails ends the process. So transactions are refused while there is still room for all
that the blocks under way may write, and reads go on.
"""

import os
from pathlib import Path

RESERVE_BYTES = 256 * 1024 * 1024
"""RocksDB's write-ahead log of 128 MB, its memtables of 64 MB written out, and as much for tables
it merges; log files and journal are small beside that."""


class Room:
    """Asked by any thread; about 2 µs."""

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        """`reserve_bytes`: what the blocks under way may need; smaller in tests."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes

    @property
    def short(self) -> bool:
        """Whether no more transactions may be taken in."""
        return self._free_bytes() < self._reserve_bytes

    @property
    def gone(self) -> bool:
        """Whether no block may be begun either: a quarter of the reserve is left for a stop."""
        return self._free_bytes() < self._reserve_bytes // 4

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize
