"""
The spare: the next segment's file, filled with zeros and synced before it is needed.

So a record's sync changes neither length nor place of the file, and never runs out of room. It
grows by a slice after each record, since filling 64 MiB at once would keep a block waiting. While
it grows it is `spare.new`; under the name `spare` it is whole, zero and synced.
"""

from pathlib import Path

from salus.base.errors import Category, Problem
from salus.node.ports import StrictDisk

SPARE = "spare"
NEW = ".new"
"""Ending of files in the making; whatever has it at a start is removed."""

SLICE_BYTES = 256 * 1024
"""Least that is filled at once: a block waits for it, a third as long as for 2 MiB (measured)."""


class Spare:
    """The one spare of a journal."""

    def __init__(self, folder: Path, segment_bytes: int, disk: StrictDisk) -> None:
        """Use the spare that lies in the folder if it has the right length."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._disk = disk
        self._file: int | None = None
        self._filled_bytes = 0
        self.full = False
        """Whether the disk had no room at the last try."""

        self.ready = SPARE in disk.plain.names(folder) and self._fits()
        """Whether the spare is whole, zero and synced."""

    def extend(self, more_bytes: int) -> None:
        """Fill `more_bytes` of zeros and sync; stops early when whole, or when the disk is full."""
        if self.ready:
            return
        file = self._begun()
        if file is None:
            return
        zeros = bytes(min(more_bytes, self._segment_bytes - self._filled_bytes))
        self.full = not self._disk.pwrite_if_room(file, zeros, self._filled_bytes)
        if self.full:
            return
        self._disk.fdatasync(file)
        self._filled_bytes += len(zeros)
        if self._filled_bytes == self._segment_bytes:
            self.close()
            self._disk.rename(self._folder / (SPARE + NEW), self._folder / SPARE)
            self.ready = True

    def finish(self) -> None:
        """Make the spare ready; raises Problem StorageFull."""
        while not self.ready:
            self.extend(self._segment_bytes)
            if self.full:
                raise Problem(
                    Category.UNAVAILABLE,
                    "StorageFull",
                    f"no room for the journal's next segment of {self._segment_bytes} bytes:"
                    " free some space, the node tries again by itself",
                    segment_bytes=self._segment_bytes,
                )

    def place(self, name: str, content: bytes) -> None:
        """
        Turn the spare into the file `name` that starts with `content`, over any older one.

        Under its old name a spare must stay blank, so it takes a name of its own before the first
        byte. A crash leaves the older file, or the whole new one. Raises Problem StorageFull.
        """
        self.finish()
        path = self._folder / (name + NEW)
        self._disk.rename(self._folder / SPARE, path)
        self.ready = False
        file = self._disk.plain.open(path, write=True)
        try:
            self._disk.pwrite(file, content, 0)
            self._disk.fdatasync(file)
        finally:
            self._disk.plain.close(file)
        self._disk.rename(path, self._folder / name)

    def close(self) -> None:
        """Give the descriptor back; a spare half filled is made anew at the next start."""
        if self._file is not None:
            self._disk.plain.close(self._file)
            self._file = None

    def _begun(self) -> int | None:
        """The file in the making; None if none can be made: a disk may also run out of files."""
        if self._file is None:
            self._filled_bytes = 0
            try:
                self._file = self._disk.plain.open(self._folder / (SPARE + NEW), create=True)
            except OSError:
                self.full = True
        return self._file

    def _fits(self) -> bool:
        file = self._disk.plain.open(self._folder / SPARE)
        try:
            return self._disk.plain.size(file) == self._segment_bytes
        finally:
            self._disk.plain.close(file)
