"""
One member's disk fills up while four work (T5 on a network).

    python -m tests.campaign.network.disk FOLDER SEED      in mounts of its own, see `run_full_disk`

Its ledger and its CometBFT lie on a small disk of their own. Short of room it refuses transactions
and still takes blocks; when the room is gone it stops with a sentence, and the others go on. After
some is freed it starts, takes what it missed, and its folder audits sound.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaign.full_disk import ROOT
from tests.campaign.network.check import audit, wait_for_block
from tests.campaign.network.members import Members
from tests.campaign.network.stage import BLOCK_S_MAX, PATIENCE_S, Stage, loaded
from tests.support.live_network import NAMES, Network, wait_for

NAME = "lab"
OTHERS = [one for one in NAMES if one != NAME]

MIB = 1024 * 1024
DISK_MIB = 1_024
SHORT_MIB = (80, 240)
"""Left free: less than the reserve of 256 MiB, more than the quarter of it kept for a stop."""

GONE_MIB = (8, 60)
"""Left free: less than that quarter."""

END_S = 30.0
"""Until a node without room has ended: each block is a reason."""

REFUSED = "503 StorageFull"
SENTENCE = "free some space"

WHILE_IT_RAN, AT_ITS_START = 70, 75
"""Exit codes: whoever supervises the node starts it again after either."""


def run_full_disk(seed: int) -> str | None:
    """Play it in mounts of its own; None if all went well, else what did not."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        story = [sys.executable, "-m", "tests.campaign.network.disk", folder, str(seed)]
        done = subprocess.run(
            ["unshare", "-rm", *story], cwd=ROOT, capture_output=True, text=True, check=False
        )
    return None if done.returncode == 0 else done.stderr[-1_500:]


def main(folder: str, seed: str) -> None:
    """The story; ends with what did not hold."""
    home = Path(folder)
    disk = _mount(home)
    with Members(Network(home)) as members:
        with loaded(members, int(seed)) as stage:
            try:
                _tell(stage, disk / "filler")
            except AssertionError as error:
                sys.exit(f"seed {seed}: {error}\n{members.last_words(NAME)}")
        members.stop(NAME)
        audit(members, NAME)


def _tell(stage: Stage, filler: Path) -> None:
    members, random = stage.members, stage.random
    _fill(filler, random.randint(*SHORT_MIB))
    wait_for(lambda: stage.load.refused[REFUSED] > 0, PATIENCE_S)
    wait_for_block(members, NAMES, PATIENCE_S)

    with _ending(members, WHILE_IT_RAN):
        _fill(filler, random.randint(*GONE_MIB))
    stage.load.wait_more(PATIENCE_S)
    with _ending(members, AT_ITS_START):
        members.start(NAME)
    wait_for_block(members, OTHERS, PATIENCE_S)

    filler.unlink()
    members.start(NAME)
    members.wait_ready(NAME)
    wait_for_block(members, NAMES, BLOCK_S_MAX)
    stage.load.wait_more(PATIENCE_S, at=NAME)
    stage.checker.look()


@contextmanager
def _ending(members: Members, expected: int) -> Iterator[None]:
    """After what is done within, the member stops by itself and says why."""
    before = members.log(NAME).read_text().count(SENTENCE)
    yield
    end_s = time.monotonic() + END_S
    while (code := members.exit_code(NAME)) is None:
        assert time.monotonic() < end_s, f"{NAME} still runs without room"
        time.sleep(0.1)
    assert code == expected, f"{NAME} ended with {code}, expected {expected}"
    said = members.log(NAME).read_text().count(SENTENCE)
    assert said > before, f"{NAME} did not say that its disk is full"


def _fill(filler: Path, left_mib: int) -> None:
    """Let a file take all but so much of its disk; one that is there grows."""
    with filler.open("ab") as file:
        for _ in range(shutil.disk_usage(filler.parent).free // MIB - left_mib):
            file.write(bytes(MIB))


def _mount(home: Path) -> Path:
    """A small disk that holds the member's ledger and its CometBFT."""
    disk = home / "disk"
    disk.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", disk)
    for place in (home / NAME, home / "comet" / NAME):
        inside = disk / place.relative_to(home)
        for folder in (place, inside):
            folder.mkdir(parents=True)
        _run("mount", "--bind", inside, place)
    return disk


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
