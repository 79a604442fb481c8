"""
The state store read without writing a byte into its folder.

RocksDB writes a log, and rocksdict a note, wherever it opens a database, also to read only: so it
is given a folder of symbolic links. What cannot be read is `StoreDamaged`, never a crash.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rocksdict import AccessType, Options, Rdict

from salus.state.disk import FAMILIES, OPTIONS_FILE, Base, StoreDamaged, read_base
from salus.state.proof import path_of

NOT_DATA = ("LOCK", "LOG", OPTIONS_FILE, "rocksdict-config.json")
"""How the names of what RocksDB and rocksdict make anew begin."""


class StoreView:
    """Opened by one process; any number may have the same store open."""

    def __init__(self, folder: Path) -> None:
        """`folder`: of the state store. Raises StoreDamaged."""
        self._links = tempfile.TemporaryDirectory(prefix="salus-audit-")
        try:
            self._db = _open(folder / "rocks", Path(self._links.name))
            self._families = {name: self._db.get_column_family(name) for name in FAMILIES}
        except Exception as error:
            self._links.cleanup()
            raise StoreDamaged("RocksDB cannot open it") from error

    def base(self) -> Base | None:
        """Where the store stands; None if nothing was ever written."""
        record = self.extra("meta", b"base")
        return None if record is None else read_base(record)

    def extra(self, family: str, key: bytes) -> bytes | None:
        """The value under a key of a column family, or None; raises StoreDamaged."""
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as error:
            raise StoreDamaged(f"RocksDB cannot read {family}") from error
        return value

    def row(self, state_key: bytes) -> bytes | None:
        """A row's value at the base, or None; raises StoreDamaged."""
        row = self.extra("state", path_of(state_key))
        if row is None:
            return None
        end = 1 + row[0]
        if row[1:end] != state_key:
            raise StoreDamaged("a row holds another row's key")
        return row[end:]

    def items(self, family: str) -> Iterator[tuple[bytes, bytes]]:
        """All of a column family by key; raises StoreDamaged at a block that cannot be read."""
        try:
            yield from read_all(self._families[family])
        except Exception as error:
            raise StoreDamaged(f"RocksDB cannot read a block of {family}") from error

    def close(self) -> None:
        """Let go of it."""
        for handle in (*self._families.values(), self._db):
            handle.close()
        self._links.cleanup()


def read_all(table: Rdict) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values in order; raises what RocksDB says of a block it cannot read."""
    found: Any = table.iter()
    found.seek_to_first()
    while found.valid():
        yield found.key(), found.value()
        found.next()
    found.status()


def link_folder(folder: Path, links: Path) -> None:
    """Fill `links` with links to all that a database consists of."""
    for path in folder.iterdir():
        if not path.name.startswith(NOT_DATA):
            (links / path.name).symlink_to(path.resolve())


def _open(folder: Path, links: Path) -> Rdict:
    link_folder(folder, links)
    options = Options(raw_mode=True)
    options.set_paranoid_checks(enabled=True)
    return Rdict(
        str(links),
        options,
        column_families={name: Options(raw_mode=True) for name in FAMILIES},
        access_type=AccessType.read_only(error_if_log_file_exist=False),
    )
