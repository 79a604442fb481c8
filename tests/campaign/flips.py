"""
Single flipped bits (T4): found by the audit, or without effect on anything that is served.

Files are drawn evenly, then a bit of the file evenly, so that small files count as much as large
ones. The bit is flipped in place and back; the audit never writes, and what is served is asked of a
copy.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

from salus.node.audit.audit import audit_folder
from tests.campaign.node_folder import NodeFolder, make_node_folder
from tests.campaign.served import Served, served_of

NOT_DATA = ("lock", "LOCK", "LOG")
"""Files that nobody reads: locks, and RocksDB's diary."""


@dataclass
class Flips:
    """What became of some flips."""

    found: Counter[str] = field(default_factory=Counter)
    """First part of the path -> flips the audit found."""

    harmless: Counter[str] = field(default_factory=Counter)
    """File -> flips that changed nothing that is served."""

    failures: list[str] = field(default_factory=list)
    """Flips that the audit did not find though an answer differs, or that broke it."""

    def __iadd__(self, other: "Flips") -> Self:
        """Add another process's."""
        self.found += other.found
        self.harmless += other.harmless
        self.failures += other.failures
        return self


def run_flips(seed: int, count: int, keep: Path | None = None) -> Flips:
    """Flip `count` bits, one after another; a failure's folder is kept in `keep`."""
    with tempfile.TemporaryDirectory() as name:
        folder = make_node_folder(Path(name))
        expected = served_of(folder)
        flips = Flips()
        random = Random(seed)
        files = list(data_files(folder.path))
        for number in range(count):
            path = random.choice(files)
            bit = random.randrange(path.stat().st_size * 8)
            place = str(path.relative_to(folder.path))
            with flipped(path, bit):
                failure = _judge(folder, expected, place, flips)
                if failure is not None:
                    flips.failures.append(
                        f"seed {seed}, flip {number}: {place} bit {bit}: {failure}"
                    )
                    if keep is not None:
                        shutil.copytree(folder.path, keep / f"flip-{seed}-{number}")
        return flips


def data_files(folder: Path) -> Iterator[Path]:
    """All files with bytes that somebody reads."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size and path.name not in NOT_DATA:
            yield path


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """The file with that bit flipped, for a while."""
    _flip(path, bit)
    try:
        yield
    finally:
        _flip(path, bit)


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        [byte] = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def _judge(folder: NodeFolder, expected: Served, place: str, flips: Flips) -> str | None:
    """Count the flip; says what is wrong if it is neither found nor harmless."""
    try:
        report = audit_folder(folder.path, folder.genesis, workers=0)
    except Exception as error:  # noqa: BLE001 (an audit must survive any damage)
        return f"the audit failed with {type(error).__name__}: {error}"
    if not report.sound:
        flips.found[place.split("/", maxsplit=1)[0]] += 1
        return None
    try:
        found = served_of(folder)
    except Exception as error:  # noqa: BLE001 (what the audit calls sound must start)
        return f"not found, and serving failed with {type(error).__name__}: {error}"
    differing = [name for name in expected if expected[name] != found.get(name)]
    if differing:
        return f"not found, and other answers for {', '.join(differing)}"
    flips.harmless[place] += 1
    return None
