"""
A disk in memory that can lose power: what was not synced may be gone, late, or torn.

- A write not yet synced is kept or lost for each 512-byte sector by itself, in any order.
- A longer length not yet synced is kept or lost, whatever happened to the bytes.
- A name made, changed or removed since its folder's last sync is kept or lost by itself.

This is harsher than any file system Linux has. `syncs=False` makes every sync a lie, which is the
control: a test that cannot fail shows nothing.
"""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR_BYTES = 512


class PowerLost(BaseException):
    """The machine stops here; nothing may catch it."""


@dataclass
class Inode:
    """One file: what is surely on the disk, and what was written since."""

    durable: bytes = b""
    content: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes]] = field(default_factory=list)


Change = tuple[str, Path, Path | None]
"""What became of a name: ("make" | "rename" | "remove", path, new path)."""


class CrashDisk:
    """A `ports.Disk` whose power fails after `operations_left` changing calls."""

    def __init__(self, *, syncs: bool = True) -> None:
        """An empty disk."""
        self.syncs = syncs
        self.operations = 0
        self.operations_left = 10**9
        self.names_now: dict[Path, Inode] = {}
        self.names_durable: dict[Path, Inode] = {}
        self.changes: list[tuple[Change, Inode]] = []
        self.files: list[Inode] = []

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> int:
        """Open, or make empty."""
        del write
        if create:
            self._count()
            inode = Inode()
            self.names_now[path] = inode
            self.changes.append((("make", path, None), inode))
        elif path not in self.names_now:
            raise FileNotFoundError(str(path))
        self.files.append(self.names_now[path])
        return len(self.files) - 1

    def close(self, file: int) -> None:
        """Nothing is synced by it."""

    def size(self, file: int) -> int:
        """Length."""
        return len(self.files[file].content)

    def pread(self, file: int, size_bytes: int, at: int) -> bytes:
        """Read what was written, synced or not."""
        return bytes(self.files[file].content[at : at + size_bytes])

    def pwrite(self, file: int, data: bytes, at: int) -> None:
        """Write; the power may fail in the middle."""
        inode = self.files[file]
        inode.waiting.append((at, data))
        _put(inode.content, data, at)
        self._count()

    def fdatasync(self, file: int) -> None:
        """Make what was written durable, unless syncs lie."""
        self._count()
        inode = self.files[file]
        if self.syncs:
            inode.durable = bytes(inode.content)
            inode.waiting = []

    def rename(self, old: Path, new: Path) -> None:
        """Rename over."""
        inode = self.names_now.pop(old)
        self.names_now[new] = inode
        self.changes.append((("rename", old, new), inode))
        self._count()

    def remove(self, path: Path) -> None:
        """Take the name away."""
        inode = self.names_now.pop(path)
        self.changes.append((("remove", path, None), inode))
        self._count()

    def names(self, folder: Path) -> list[str]:
        """Names in the folder."""
        return sorted(path.name for path in self.names_now if path.parent == folder)

    def make_folder(self, folder: Path) -> None:
        """Folders are always there."""

    def sync_folder(self, folder: Path) -> None:
        """Make the names durable, unless syncs lie."""
        del folder
        self._count()
        if self.syncs:
            self.names_durable = dict(self.names_now)
            self.changes = []

    def after_power_loss(self, random: Random) -> "CrashDisk":
        """One of the disks a power loss at this moment may leave."""
        names = dict(self.names_durable)
        for (kind, path, new), inode in self.changes:
            if random.random() < 0.5:
                continue
            if kind == "make":
                names[path] = inode
            elif names.get(path) is inode:
                del names[path]
                if new is not None:
                    names[new] = inode
        left = CrashDisk(syncs=self.syncs)
        survivors = {id(inode): _survivor(inode, random) for inode in names.values()}
        left.names_now = {path: survivors[id(inode)] for path, inode in names.items()}
        left.names_durable = dict(left.names_now)
        return left

    def _count(self) -> None:
        self.operations += 1
        self.operations_left -= 1
        if self.operations_left < 0:
            raise PowerLost


def _survivor(inode: Inode, random: Random) -> Inode:
    content = bytearray(inode.durable)
    order = random.random() < 0.5
    keep = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    for at, data in inode.waiting if order else random.sample(inode.waiting, len(inode.waiting)):
        start = 0
        while start < len(data):
            stop = min(start + SECTOR_BYTES - (at + start) % SECTOR_BYTES, len(data))
            if random.random() < keep:
                _put(content, data[start:stop], at + start)
            start = stop
    if len(inode.content) > len(content) and random.random() < 0.5:
        content.extend(bytes(len(inode.content) - len(content)))
    return Inode(bytes(content), bytearray(content))


def _put(content: bytearray, data: bytes, at: int) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data
