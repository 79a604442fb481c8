"""
The world outside, as little of it as the node needs: a clock and a disk.

Both are Protocols, so that a test can stand in for the world: a clock that jumps, a disk that
loses whatever was not synced. `StrictDisk` holds the one rule of durability: after a write or a
sync that failed, nobody knows what is on the disk, so the process ends and never syncs again.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from salus.base.errors import Category, Fault

FAULT_EXIT_CODE = Category.FAULT.exit_code
"""What the process ends with after a failed write (`ledger.md` §5.4)."""


class Clock(Protocol):
    """Tells the time; the machine never asks, it gets block time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC; may step in either direction."""
        ...

    def monotonic(self) -> float:
        """Seconds since some start; never steps back."""
        ...


class Disk(Protocol):
    """
    Files by descriptor, names by path; any method may raise OSError.

    What is written counts as durable only after `fdatasync` of the file, and what is created,
    renamed or removed only after `sync_folder` of its folder.
    """

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> int:
        """Open, for writing too if asked; `create` makes the file, mode 0600, or empties it."""
        ...

    def close(self, file: int) -> None:
        """Give the descriptor back; syncs nothing."""
        ...

    def size(self, file: int) -> int:
        """Length of the file in bytes."""
        ...

    def pread(self, file: int, size_bytes: int, at: int) -> bytes:
        """Up to `size_bytes` from offset `at`; fewer only at the file's end."""
        ...

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """All of `data` at offset `at`; the file grows as needed."""
        ...

    def fdatasync(self, file: int) -> None:
        """Return when the file's data and length are on the disk."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name in one step, over whatever had it."""
        ...

    def remove(self, path: Path) -> None:
        """Take a name away."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Names inside the folder, sorted."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make the folder if it is not there, mode 0700, its own name durable."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's names are on the disk."""
        ...


class RealClock:
    """The system's clocks."""

    def now_ms(self) -> int:
        """Wall clock; ms since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of the steady clock."""
        return time.monotonic()


class RealDisk:
    """The system's files (POSIX)."""

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> int:
        """Open, or make empty, mode 0600."""
        flags = os.O_RDWR if write or create else os.O_RDONLY
        if create:
            flags |= os.O_CREAT | os.O_TRUNC
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def close(self, file: int) -> None:
        """Give the descriptor back."""
        os.close(file)

    def size(self, file: int) -> int:
        """Length in bytes."""
        return os.fstat(file).st_size

    def pread(self, file: int, size_bytes: int, at: int) -> bytes:
        """Read at an offset."""
        return os.pread(file, size_bytes, at)

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """Write at an offset: one call, and more only if the system took a part."""
        written = os.pwrite(file, data, at)
        while written < len(data):
            written += os.pwrite(file, data[written:], at + written)

    def fdatasync(self, file: int) -> None:
        """Sync data and length."""
        os.fdatasync(file)

    def rename(self, old: Path, new: Path) -> None:
        """Rename over."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Unlink."""
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """Sorted names."""
        return sorted(entry.name for entry in folder.iterdir())

    def make_folder(self, folder: Path) -> None:
        """Make it and what is missing above it; sync the parent even of one that is there."""
        if not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
        # It may have been made by a process whose sync failed.
        self.sync_folder(folder.parent)

    def sync_folder(self, folder: Path) -> None:
        """Sync the directory itself."""
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)


REAL_DISK = RealDisk()
"""The one disk of a process; it has no state."""


def end_process(reason: str) -> NoReturn:
    """Say why on stderr and end at once: no clean-up, no buffers written, no further sync."""
    os.write(2, f"salus: {reason}; the node ends here and checks its files when started\n".encode())
    os._exit(FAULT_EXIT_CODE)


class StrictDisk:
    """
    The writing half of a disk, whose every failure is the process's end.

    A sync that failed once may succeed the next time without having written anything: the system
    drops the dirty pages and forgets (Rebello et al., USENIX ATC 2020). So there is no next time.
    """

    def __init__(self, disk: Disk, die: Callable[[str], NoReturn] = end_process) -> None:
        """`die`: called with the reason; it must not return."""
        self.plain = disk
        self.failed = False
        self._die = die

    def make_folder(self, folder: Path) -> None:
        """Make the folder if it is not there, its name durable."""
        with self._or_end("making of a folder"):
            self.plain.make_folder(folder)

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """Write all of `data`."""
        with self._or_end("write"):
            self.plain.pwrite(file, data, at)

    def pwrite_if_room(self, file: int, data: bytes, at: int) -> bool:
        """Write all of `data`, or return False because the disk is full."""
        with self._or_end("write"):
            try:
                self.plain.pwrite(file, data, at)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                return False
        return True

    def fdatasync(self, file: int) -> None:
        """Sync the file."""
        with self._or_end("sync"):
            self.plain.fdatasync(file)

    def rename(self, old: Path, new: Path) -> None:
        """Rename, and sync the folder."""
        with self._or_end("rename"):
            self.plain.rename(old, new)
            self.plain.sync_folder(new.parent)

    def remove(self, path: Path) -> None:
        """Remove, and sync the folder."""
        with self._or_end("removal"):
            self.plain.remove(path)
            self.plain.sync_folder(path.parent)

    @contextmanager
    def _or_end(self, what: str) -> Iterator[None]:
        if self.failed:
            raise Fault("a write to this disk failed before; restart the node")
        try:
            yield
        except OSError as error:
            self.failed = True
            self._die(f"a {what} failed ({errno.errorcode.get(error.errno or 0, 'unknown')})")
