"""
Where a copy's own history begins: at the genesis, or at the snapshot it was restored from.

A restored copy has the whole state, and the log's right edge, but not the blocks before. What it
lacks it says so; it never answers "there is none" for what it does not have.
"""

from pathlib import Path

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Fault, Problem
from salus.base.types import Count, Height
from salus.node.small_file import write_whole

FILE = "start"
"""Beside `journal/`; only in a restored copy's folder."""


class HistoryIncomplete(Problem):
    """What was asked for lies before the snapshot this copy was restored from."""

    def __init__(self, start: int) -> None:
        """`start`: height of that snapshot."""
        super().__init__(
            Category.UNAVAILABLE,
            "HistoryIncomplete",
            f"history incomplete: this member rejoined by a snapshot of block {start} and is still "
            "fetching what lies before; ask another member, or ask again later",
            start=start,
        )


class Start(Struct, frozen=True):
    """The block after which this copy has everything."""

    height: Height
    """0: the genesis, so nothing is missing."""

    log_size: Count
    """Entries of the log at that height."""

    def check_complete(self) -> None:
        """Raise HistoryIncomplete unless this copy has everything from the genesis on."""
        if self.height:
            raise HistoryIncomplete(self.height)

    def check_height(self, height: int) -> None:
        """Raise HistoryIncomplete if that block is missing here."""
        if 0 < height <= self.height:
            self.check_complete()

    def check_entry(self, index: int) -> None:
        """Raise HistoryIncomplete if that log entry's path cannot be had here."""
        if index < self.log_size:
            self.check_complete()

    def check_size(self, size: int) -> None:
        """Raise HistoryIncomplete if the log of that size is not known here."""
        if size:
            self.check_entry(size)


GENESIS = Start(height=0, log_size=1)
"""Where every copy begins that executed all blocks itself."""


def read_start(folder: Path) -> Start:
    """Where the copy in this folder begins; raises Fault for a damaged note."""
    path = folder / FILE
    if not path.exists():
        return GENESIS
    try:
        return codec.decode(path.read_bytes(), Start)
    except codec.Malformed:
        raise Fault(
            "the note on where this restored copy begins is damaged: remove journal, log, state "
            f"and {FILE} from the node's folder, and rejoin by a snapshot"
        ) from None


def write_start(folder: Path, start: Start) -> None:
    """Note where a restored copy begins."""
    write_whole(folder / FILE, codec.encode(start))
