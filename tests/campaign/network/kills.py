"""
SIGKILL of single members and of all four at once, under load (T2).

After each: everything acknowledged is at every member as it was acknowledged, there is one history,
and a new block comes within ten seconds of the return. After a kill of all, one member's folder is
audited before it starts again.
"""

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.network.check import audit, wait_for_block
from tests.campaign.network.members import Part
from tests.campaign.network.stage import BLOCK_S_MAX, PATIENCE_S, Stage, direct_stage
from tests.support.live_network import NAMES

ALL_EVERY = 11
"""Every eleventh kill takes all four: 200 single ones and 20 of all in 220."""

WORK_S = (0.3, 2.5)
"""Between a look and the next kill, drawn from this range."""

DEAD_S = (0.0, 3.0)
"""How long the killed stay down."""


@dataclass
class Kills:
    """What became of some kills."""

    cycles: int = 0
    acknowledged: int = 0
    """Found at all members, as it was acknowledged."""

    blocks: int = 0
    audits: int = 0
    start_s_max: float = 0.0
    """From a start to an API that answers."""

    block_s_max: float = 0.0
    """From there to a new block at all members."""

    late: int = 0
    """Returns after which that took longer than `BLOCK_S_MAX`: no cause to stop."""

    how: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line of a summary."""
        return (
            f"{self.acknowledged} acknowledgements in {self.blocks} blocks found at all members, "
            f"{self.audits} audits, slowest start {self.start_s_max:.1f} s, slowest block after a "
            f"return {self.block_s_max:.1f} s ({self.late} late), {dict(self.how)}"
        )


def run_kills(seed: int, cycles: int, keep: Path | None = None) -> Kills:
    """Kill so often on one network; the first failure ends it, its folder is kept in `keep`."""
    kills = Kills()
    with tempfile.TemporaryDirectory(prefix="salus-") as name:
        try:
            with direct_stage(Path(name), seed) as stage:
                for cycle in range(cycles):
                    one_kill(stage, kills, of_all=cycle % ALL_EVERY == ALL_EVERY - 1)
        except Exception as error:  # noqa: BLE001 (whatever a killed network does wrong)
            kills.failures.append(
                f"seed {seed}, cycle {kills.cycles}: {type(error).__name__}: {error}"
            )
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copytree(name, keep / f"network-kills-{seed}", ignore=_no_sockets)
    if kills.late:
        kills.failures.append(f"seed {seed}: {kills.late} returns without a block for 10 s")
    return kills


def one_kill(stage: Stage, kills: Kills, *, of_all: bool) -> None:
    """One kill, one return, one look."""
    time.sleep(stage.random.uniform(*WORK_S))
    if of_all:
        _kill_all(stage, kills)
    else:
        _kill_one(stage, kills)
    kills.blocks = stage.checker.look()
    kills.acknowledged = stage.checker.acknowledged
    kills.cycles += 1


def _kill_one(stage: Stage, kills: Kills) -> None:
    """The others go on; who returns is level with them."""
    members, random = stage.members, stage.random
    name, part = random.choice(NAMES), random.choice(list(Part))
    kills.how[part.value] += 1
    members.kill(name, part)
    time.sleep(random.uniform(*DEAD_S))
    stage.load.wait_more(PATIENCE_S)
    if part is not Part.COMET:
        members.start(name)
    _return(stage, kills, name)


def _kill_all(stage: Stage, kills: Kills) -> None:
    """Nobody is left to remember; what was acknowledged is on the disks."""
    members, random = stage.members, stage.random
    kills.how["all four"] += 1
    members.kill_all()
    audit(members, random.choice(NAMES))
    kills.audits += 1
    members.start(*NAMES)
    _return(stage, kills, *NAMES)


def _return(stage: Stage, kills: Kills, *names: str) -> None:
    kills.start_s_max = max(kills.start_s_max, stage.members.wait_ready(*names))
    block_s = wait_for_block(stage.members, NAMES, PATIENCE_S)
    kills.block_s_max = max(kills.block_s_max, block_s)
    kills.late += block_s > BLOCK_S_MAX


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]
