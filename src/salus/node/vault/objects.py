"""
Where containers lie: files of one folder, or any object store `obstore` knows by its URL.

`put` returns only once the bytes are durable and were read back equal; a receipt may follow.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, Protocol

import obstore
from obstore.store import ObjectStore as Bucket
from obstore.store import from_url

from salus.base.errors import Category, Fault, Problem
from salus.node.ports import REAL_DISK, Disk, StrictDisk, end_process

SUFFIX = ".salus"
_NEW = ".new"


class ObjectStore(Protocol):
    """Bytes by name; a name is a batch's id in hex."""

    def put(self, name: str, data: bytes) -> None:
        """Store durably over whatever had the name; raises Problem VaultFull (V14)."""
        ...

    def get(self, name: str) -> bytes | None:
        """The bytes, or None."""
        ...

    def delete(self, name: str) -> None:
        """Take the name away; nothing happens if there is none."""
        ...

    def names(self) -> Iterator[str]:
        """All names, in no order."""
        ...


class FolderObjects:
    """Local files `<name>.salus`: temporary file, sync, rename, sync of the folder, read back."""

    def __init__(
        self,
        folder: Path,
        *,
        disk: Disk = REAL_DISK,
        die: Callable[[str], NoReturn] = end_process,
    ) -> None:
        """Make the folder if need be; remove what an interrupted `put` left."""
        disk.make_folder(folder)
        self._folder = folder
        self._disk = StrictDisk(disk, die)
        for name in disk.names(folder):
            if name.endswith(_NEW):
                self._disk.remove(folder / name)

    def put(self, name: str, data: bytes) -> None:
        """Store durably; see `ObjectStore`."""
        temporary = self._folder / f"{name}.{os.urandom(8).hex()}{_NEW}"
        if not self._write(temporary, data):
            self._disk.remove(temporary)
            raise vault_full()
        self._disk.rename(temporary, self._path(name))
        if self.get(name) != data:
            raise Fault("the disk gave back other bytes than were written: replace it")

    def get(self, name: str) -> bytes | None:
        """The file's bytes, or None."""
        try:
            file = self._disk.plain.open(self._path(name))
        except FileNotFoundError:
            return None
        try:
            return self._disk.plain.pread(file, self._disk.plain.size(file), 0)
        finally:
            self._disk.plain.close(file)

    def delete(self, name: str) -> None:
        """Remove the file."""
        if self._path(name).name in self._disk.plain.names(self._folder):
            self._disk.remove(self._path(name))

    def names(self) -> Iterator[str]:
        """Names of all whole files."""
        for name in self._disk.plain.names(self._folder):
            if name.endswith(SUFFIX):
                yield name.removesuffix(SUFFIX)

    def _write(self, path: Path, data: bytes) -> bool:
        """Write and sync a new file; False: the disk is full."""
        file = self._disk.plain.open(path, create=True)
        try:
            written = self._disk.pwrite_if_room(file, data, 0)
            if written:
                self._disk.fdatasync(file)
        finally:
            self._disk.plain.close(file)
        return written

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


class BucketObjects:
    """Objects `<name>.salus` of an object store; a put is compared with what a get returns."""

    def __init__(self, bucket: Bucket) -> None:
        """`bucket`: as `obstore.store` makes it."""
        self._bucket = bucket

    @classmethod
    def at(cls, url: str) -> "BucketObjects":
        """Open by URL (`file:`, `memory:`, `s3:`, `gs:`, `az:`); credentials by environment."""
        return cls(from_url(url))

    def put(self, name: str, data: bytes) -> None:
        """Store and compare; see `ObjectStore`. Raises Problem VaultUnavailable (V14)."""
        try:
            obstore.put(self._bucket, self._path(name), data)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _unavailable(error) from error
        if self.get(name) != data:
            raise _unavailable(ValueError("it returned other bytes than were put"))

    def get(self, name: str) -> bytes | None:
        """The object's bytes, or None; raises Problem VaultUnavailable."""
        try:
            return bytes(obstore.get(self._bucket, self._path(name)).bytes())
        except FileNotFoundError:
            return None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _unavailable(error) from error

    def delete(self, name: str) -> None:
        """Delete the object."""
        try:
            obstore.delete(self._bucket, self._path(name))
        except FileNotFoundError:
            return
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _unavailable(error) from error

    def names(self) -> Iterator[str]:
        """Names of all objects."""
        for chunk in obstore.list(self._bucket):
            for meta in chunk:
                if meta["path"].endswith(SUFFIX):
                    yield meta["path"].removesuffix(SUFFIX)

    def _path(self, name: str) -> str:
        return f"{name}{SUFFIX}"


def vault_full() -> Problem:
    """The V14 of a vault without room."""
    return Problem(
        Category.BUSY,
        "VaultFull",
        "this member has no room for the container; send it to another holder",
        code="V14",
    )


def _unavailable(error: Exception) -> Problem:
    return Problem(
        Category.BUSY,
        "VaultUnavailable",
        f"the object store did not keep the container ({type(error).__name__}); try again",
        code="V14",
    )
