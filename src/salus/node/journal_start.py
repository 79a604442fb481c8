"""
How a journal ends, judged from its newest segment before anything is written.

Step 3 of a start (`ledger.md` §5.4) with `corrections.md` 17: read the newest segment, drop what
was provably never wholly written, take all else for damage, and hold the end against what is known
to have been acknowledged.
"""

from dataclasses import dataclass
from pathlib import Path

from salus.base.errors import Fault, invariant
from salus.base.hashing import ZERO32
from salus.node.journal_format import SEGMENT_HEADER_BYTES
from salus.node.journal_mark import read_mark
from salus.node.journal_segment import (
    Segment,
    check_blank_tail,
    check_chain,
    check_link,
    judge_tail,
    read_bytes,
    read_segment,
    segment_names,
)
from salus.node.ports import Disk


@dataclass(frozen=True, slots=True)
class End:
    """What a start found."""

    names: list[str]
    """Segments that hold records, by first height."""

    newest: Segment | None
    """The last of them; None for a journal without records."""

    sound: bytes
    """The newest segment up to the end of its last record."""

    empty: str | None
    """A segment begun, but without a record; to be removed."""

    clean: bool
    """Whether the journal was closed in order."""

    @property
    def height(self) -> int:
        """Height of the last record; 0 if there is none."""
        return self.newest.heights[-1] if self.newest else 0

    @property
    def chain(self) -> bytes:
        """Chain value after the last record."""
        return self.newest.chain if self.newest else ZERO32


def judge_end(folder: Path, network: bytes, must_hold: int, disk: Disk) -> End:
    """Read the newest segment and judge it; changes nothing. Raises Damage, Fault."""
    names = segment_names(disk, folder)
    mark = read_mark(folder, disk)
    newest, data, torn = None, b"", False
    empty: str | None = None
    while names:
        data = read_bytes(disk, folder / names[-1])
        newest = read_segment(names[-1], data, network)
        if empty is None:
            torn = judge_tail(newest, data)
        else:
            check_blank_tail(newest, data)
            head = read_bytes(disk, folder / empty)[:SEGMENT_HEADER_BYTES]
            check_link(newest, empty, head, network)
        if newest.heights:
            check_chain(newest, data)
            break
        # A crash between the first sync of a segment and that of its first record leaves one.
        invariant(empty is None, "journal damaged: run `salus repair`: two segments are empty")
        empty, newest = names.pop(), None
    end = End(names, newest, data[: newest.end] if newest else b"", empty, mark is not None)
    if mark is not None and (torn or mark != (end.height, end.chain)):
        raise Fault(
            f"journal damaged: run `salus repair`: it was closed in order at height {mark[0]},"
            f" and now ends at {end.height}"
        )
    if end.height < must_hold:
        raise Fault(
            f"journal damaged: run `salus repair`: height {must_hold} was acknowledged, and the"
            f" journal ends at {end.height}; the missing segments are in a member's archive"
        )
    return end
