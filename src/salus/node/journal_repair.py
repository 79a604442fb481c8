"""
A whole journal re-read: `inspect` says what is there, `repair` cuts it back to what is sound.

Nothing is ever deleted: what is cut off stays in the folder as `*.lost`. What is lost here may
lie in other members' archives; a node that had acknowledged it refuses to start without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from salus.base.hashing import ZERO32
from salus.node.journal_format import (
    SEGMENT_HEADER_BYTES,
    OtherFormat,
    Unsound,
    decode_segment_header,
)
from salus.node.journal_mark import CLEAN, read_mark
from salus.node.journal_segment import (
    Damage,
    Segment,
    chain_at,
    check_blank_tail,
    check_length,
    judge_tail,
    later_records,
    other_format,
    payloads,
    read_bytes,
    read_records,
    segment_names,
)
from salus.node.journal_spare import Spare
from salus.node.ports import REAL_DISK, Disk, StrictDisk, end_process

LOST = ".lost"


@dataclass(slots=True)
class Inspection:
    """What a journal holds, and where the first difference is."""

    segments: int = 0
    """Segment files there are."""

    records: int = 0
    """Sound records before the first difference, chain included."""

    tip_height: int = 0
    """Height of the last of them; 0 if there is none."""

    chain: bytes = ZERO32
    """Chain value after it."""

    torn: bool = False
    """Whether a write that was never acknowledged stands at the end; a start drops it."""

    damage: Damage | None = None
    """The first difference: segment, offset, expected, found; None if all is sound."""

    keep_bytes: int = 0
    """How much of the damaged segment is sound from its start; 0: nothing."""

    lost_records: int = 0
    """Readable records at or behind the difference, which no chain holds any more."""

    lost_heights: tuple[int, int] | None = None
    """Lowest and highest height of those."""

    def lose(self, heights: list[int]) -> None:
        """Count records behind the difference."""
        if heights:
            low, high = self.lost_heights or (heights[0], heights[0])
            self.lost_heights = (min(low, *heights), max(high, *heights))
            self.lost_records += len(heights)


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair found, and what it set aside, or would."""

    found: Inspection
    done: bool
    """False for a dry run, and where nothing was to be done."""

    set_aside: tuple[str, ...]
    """Segments cut short or taken out; their bytes stay in `<name>.lost`."""


def inspect(folder: Path, *, disk: Disk = REAL_DISK) -> Inspection:
    """
    Read every byte of the journal and check every record; changes nothing.

    O(journal); one segment in memory. Raises Problem GenesisDiffers if segments of two networks lie
    there, FormatUnknown.
    """
    names = segment_names(disk, folder)
    found = Inspection(segments=len(names))
    network: bytes | None = None
    for name in names:
        data = read_bytes(disk, folder / name)
        try:
            network = network or decode_segment_header(data[:SEGMENT_HEADER_BYTES]).network
            segment = read_records(name, data, network)
        except OtherFormat as error:
            raise other_format(error) from None
        except (Damage, Unsound) as error:
            found.damage = found.damage or _located(name, error)
            continue
        if found.damage is None:
            _examine(found, segment, data, newest=name == names[-1])
        else:
            found.lose(segment.heights.tolist())
    mark = read_mark(folder, disk)
    if found.damage is None and mark is not None:
        _compare_mark(found, mark)
    return found


def repair(
    folder: Path,
    *,
    act: bool = False,
    disk: Disk = REAL_DISK,
    die: Callable[[str], NoReturn] = end_process,
) -> Repair:
    """
    Cut the journal back to its last sound record before the first difference.

    Without `act` it only says what would be lost. Interrupted, it is simply run again: the damaged
    segment is replaced last. The node must be stopped. Raises Fault, Problem StorageFull.
    """
    found = inspect(folder, disk=disk)
    damage = found.damage
    if damage is None:
        return Repair(found, done=False, set_aside=())
    later = [name for name in segment_names(disk, folder) if name >= damage.segment]
    if act:
        strict = StrictDisk(disk, die)
        for name in reversed(later[1:]):
            strict.rename(folder / name, _free_name(disk, folder, name))
        if later:  # else the mark of a clean end is all that is wrong
            _cut(folder, later[0], found.keep_bytes, strict)
        if CLEAN in disk.names(folder):
            strict.remove(folder / CLEAN)
    return Repair(found, done=act, set_aside=tuple(later))


def _examine(found: Inspection, segment: Segment, data: bytes, *, newest: bool) -> None:
    """Add one segment to what was found so far; stop at its first difference."""
    kept = 0
    try:
        if segment.header.chain_before != found.chain:
            raise Damage(segment.name, 48, "the chain value before it", "another")
        for height, _ in payloads(segment, data, 0, len(segment.heights)):
            found.chain = chain_at(data, segment.offsets[kept])
            found.tip_height = height
            found.records += 1
            kept += 1
        _check_end(found, segment, data, newest=newest)
        check_length(segment, data)
    except Damage as damage:
        found.damage = damage
        if kept:
            found.keep_bytes = segment.offsets[kept] if kept < len(segment.offsets) else segment.end
        found.lose(segment.heights[kept:].tolist())
        found.lose([height for _, height in later_records(segment, data)])


def _check_end(found: Inspection, segment: Segment, data: bytes, *, newest: bool) -> None:
    if newest:
        found.torn = judge_tail(segment, data)
        return
    check_blank_tail(segment, data)
    if not segment.heights:
        raise Damage(segment.name, segment.end, "a record", "none")


def _compare_mark(found: Inspection, mark: tuple[int, bytes]) -> None:
    """Take an end other than the one the journal was closed with for damage of the mark's file."""
    if found.torn or mark != (found.tip_height, found.chain):
        found.damage = Damage(CLEAN, 0, f"an end at height {mark[0]}", f"at {found.tip_height}")


def _located(name: str, error: Damage | Unsound) -> Damage:
    if isinstance(error, Damage):
        return error
    return Damage(name, 0, error.expected, error.found)


def _cut(folder: Path, name: str, keep_bytes: int, disk: StrictDisk) -> None:
    """Keep the segment's first bytes in a new file of its stated length, the old file aside."""
    aside = _free_name(disk.plain, folder, name)
    if keep_bytes == 0:
        disk.rename(folder / name, aside)
        return
    data = read_bytes(disk.plain, folder / name)
    file = disk.plain.open(aside, create=True)
    try:
        disk.pwrite(file, data, 0)
        disk.fdatasync(file)
    finally:
        disk.plain.close(file)
    header = decode_segment_header(data[:SEGMENT_HEADER_BYTES])
    Spare(folder, header.segment_bytes, disk).place(name, data[:keep_bytes])


def _free_name(disk: Disk, folder: Path, name: str) -> Path:
    taken = set(disk.names(folder))
    number = 1
    while f"{name}.{number}{LOST}" in taken:
        number += 1
    return folder / f"{name}.{number}{LOST}"
