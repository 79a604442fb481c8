"""One process a folder: a second one is told so, before it touches anything."""

import fcntl
import os
from pathlib import Path

from salus.base.errors import Category, Problem


class FolderLock:
    """Held from the constructor to `release`, or to the process's end."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises Problem FolderInUse."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise Problem(
                Category.UNAVAILABLE,
                "FolderInUse",
                f"another process works in {folder.name}; stop it first, or choose another folder",
            ) from None

    def release(self) -> None:
        """Let the next process in; once."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
