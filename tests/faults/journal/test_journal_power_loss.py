"""
Power fails anywhere: nothing acknowledged is lost, nothing never written appears (T3).

Each seed runs a journal on `CrashDisk`, cuts the power after a random number of disk operations,
starts again on one of the disks that may be left, and so on for some lives.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from salus.base.errors import Fault
from salus.base.merkle import leaf_hash, root_of_hashes
from salus.node.journal import Journal
from salus.node.log_files import LogFiles
from tests.faults.journal.crash_disk import CrashDisk, PowerLost

NETWORK = b"\x11" * 32
FOLDER = Path("journal")
LOG = Path("log")
SEGMENT_BYTES = 4096
LIVES = 4

IMAGES = int(os.environ.get("SALUS_CRASH_IMAGES", "300"))
"""Power losses tried; the campaign sets 100,000."""


@dataclass
class Story:
    """What was acknowledged over all lives, and what was under way when the power failed."""

    acknowledged: list[tuple[int, bytes]] = field(default_factory=list)
    under_way: tuple[int, bytes] | None = None


def live(disk: CrashDisk, story: Story, random: Random) -> None:
    """Start, check what is there, append until the power fails or the day ends."""
    must_hold = story.acknowledged[-1][0] if story.acknowledged and random.random() < 0.5 else 0
    journal = Journal.open(
        FOLDER, NETWORK, must_hold=must_hold, disk=disk, segment_bytes=SEGMENT_BYTES
    )
    rows = list(journal.records())
    if len(rows) > len(story.acknowledged) and story.under_way is not None:
        # Written whole, though nobody was told: it may stay, but then for good.
        story.acknowledged.append(story.under_way)
    assert story.acknowledged == rows
    story.under_way = None
    for _ in range(random.randrange(40)):
        height = journal.tip_height + random.choice((1, 1, 1, 5))
        row = (height, random.randbytes(random.choice((10, 100, 700, 2000))))
        story.under_way = row
        journal.append(*row)
        story.acknowledged.append(row)
        story.under_way = None
    if random.random() < 0.3:
        journal.close()


def lives(seed: int, *, syncs: bool = True) -> int:
    """Some lives of one journal; the number of power losses it went through."""
    random = Random(seed)
    disk = CrashDisk(syncs=syncs)
    story = Story()
    for _ in range(LIVES):
        disk.operations_left = random.randrange(120)
        with suppress(PowerLost):
            live(disk, story, random)
        disk = disk.after_power_loss(random)
    disk.operations_left = 10**9
    live(disk, story, random)
    return LIVES


def test_nothing_acknowledged_is_lost() -> None:
    """Through every power loss, torn, reordered and dropped writes, and lost names."""
    tried = seed = 0
    while tried < IMAGES:
        try:
            tried += lives(seed)
        except (AssertionError, Fault, KeyError) as error:
            pytest.fail(f"seed {seed}: {error!r}")
        seed += 1


def test_control_without_syncs_loses_something() -> None:
    """The same story on a disk whose syncs lie must fail, or the test above shows nothing."""
    failed = 0
    for seed in range(20):
        try:
            lives(seed, syncs=False)
        except (AssertionError, Fault, FileNotFoundError):
            failed += 1

    assert failed > 10


def test_power_loss_at_every_operation_of_a_segments_change() -> None:
    """Around the birth of a segment each single operation is a place to fail, several ways."""
    whole = CrashDisk()
    story = Story()
    _write(whole, story, 12)
    for operations in range(whole.operations):
        for seed in range(4):
            disk, story = CrashDisk(), Story()
            disk.operations_left = operations
            with pytest.raises(PowerLost):
                _write(disk, story, 12)
            live(disk.after_power_loss(Random(seed)), story, Random(seed))


def _write(disk: CrashDisk, story: Story, count: int) -> None:
    journal = Journal.open(FOLDER, NETWORK, disk=disk, segment_bytes=SEGMENT_BYTES)
    for height in range(1, count + 1):
        story.under_way = (height, Random(height).randbytes(600))
        journal.append(*story.under_way)
        story.acknowledged.append(story.under_way)
        story.under_way = None
    journal.close()


@pytest.mark.parametrize("seed", range(40))
def test_log_files_claim_no_more_than_was_synced(seed: int) -> None:
    """What they say after a power loss is a beginning of the log, and not less than was noted."""
    random = Random(seed)
    disk = CrashDisk()
    leaves: list[bytes] = []
    synced = 0
    for _ in range(LIVES):
        disk.operations_left = random.randrange(60)
        try:
            log = LogFiles.open(LOG, disk=disk)
            assert synced <= log.size <= len(leaves)
            assert root_of_hashes(leaves[: log.size]) == log.root(log.size)
            log.append(leaves[log.size :])
            for _ in range(20):
                if random.random() < 0.1:
                    keep = random.randrange(log.size + 1)
                    synced = min(synced, keep)
                    log.truncate(keep)
                    del leaves[keep:]
                more = [leaf_hash(random.randbytes(8)) for _ in range(random.randrange(9))]
                leaves += more
                log.append(more)
                if random.random() < 0.3:
                    log.sync()
                    synced = log.synced_size
        except PowerLost:
            pass
        disk = disk.after_power_loss(random)
