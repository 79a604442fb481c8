"""
Faults of members on a live network other than kills and cut lines: two gone, one paused, one dead.

Each is played on a `Stage`, ends with everybody back, a block within ten seconds of the return, and
a look at everything.
"""

import time
from contextlib import closing

from tests.campaign.network.check import Checker, wait_for_block
from tests.campaign.network.imports import Share, clinical, import_shares, open_all
from tests.campaign.network.load import Load
from tests.campaign.network.members import Part
from tests.campaign.network.partitions import SETTLE_S
from tests.campaign.network.reads import read_all
from tests.campaign.network.stage import BLOCK_S_MAX, PATIENCE_S, Stage
from tests.support.live_network import NAMES

HALT_S = 5.0
"""How long a halt is watched."""

PAUSE_S = (5.0, 20.0)

RATIO_MIN = 0.6
"""Throughput with one of four dead, of normal (`README.md` §7 of the design, T18)."""

MEASURE_S = 20.0

WORKERS, BATCH = 4, 200
"""Of each member, and transactions of each on their way (`WAITING_PER_KEY_MAX`): 3,200 in all, so
that blocks are full and the wait for a dead proposer, three seconds of every fourth block, counts
as little as it does under full load."""


def two_killed(stage: Stage) -> str:
    """Two of four: no block, no fork, reads go on; the return of two brings the next block."""
    members = stage.members
    dead = stage.random.sample(NAMES, 2)
    alive = [name for name in NAMES if name not in dead]
    for name in dead:
        members.kill(name, Part.BOTH)
    time.sleep(SETTLE_S)
    heights = members.heights(alive)
    time.sleep(HALT_S)
    read_all(members, alive)
    assert heights == members.heights(alive), "two of four made a block"
    members.start(*dead)
    start_s = members.wait_ready(*dead)
    block_s = wait_for_block(members, NAMES, BLOCK_S_MAX)
    stage.load.wait_more(BLOCK_S_MAX)
    stage.checker.look()
    return f"two of four killed: halted, resumed {block_s:.1f} s after the return ({start_s:.1f} s)"


def paused(stage: Stage, part: Part, seconds: float | None = None) -> str:
    """SIGSTOP for a while: the others go on; who wakes is level soon."""
    members = stage.members
    name = stage.random.choice(NAMES)
    others = [one for one in NAMES if one != name]
    lasts_s = stage.random.uniform(*PAUSE_S) if seconds is None else seconds
    members.pause(name, part)
    began_s = time.monotonic()
    try:
        wait_for_block(members, others, PATIENCE_S)
        stage.load.wait_more(PATIENCE_S)
        time.sleep(max(0.0, lasts_s - (time.monotonic() - began_s)))
    finally:
        members.resume(name, part)
    block_s = wait_for_block(members, NAMES, BLOCK_S_MAX)
    stage.checker.look()
    return f"{name}'s {part.value} paused {lasts_s:.0f} s: level after {block_s:.1f} s"


def throughput(stage: Stage) -> str:
    """Full load with all four, then with one dead; that one comes back level, nothing is lost."""
    members, name = stage.members, stage.random.choice(NAMES)
    burst = Load(members, stage.random.randrange(2**32), workers=WORKERS, batch=BATCH)
    with burst.running():
        normal = _rate(burst)
        members.kill(name, Part.BOTH)
        without = _rate(burst)
    _return(stage, name)
    with closing(Checker(members, burst, 1)) as checker:
        checker.look()
    ratio = without / normal
    assert ratio >= RATIO_MIN, f"{without:.0f} of {normal:.0f} acknowledgements a second"
    return f"{normal:.0f} acknowledgements a second, {without:.0f} without {name}: {ratio:.0%}"


def dead_for_an_import(stage: Stage, shares: tuple[Share, Share]) -> str:
    """Half of the patients with all four up, half with the laboratory dead: all records open."""
    members = stage.members
    normal = import_shares(members, shares[0])
    members.kill("lab", Part.BOTH)
    without = import_shares(members, shares[1])
    wanted = clinical([*shares[0], *shares[1]])
    assert wanted == open_all(members), "without the laboratory not every record opens"
    _return(stage, "lab")
    assert wanted == open_all(members), "after its return not every record opens"
    ratio = without.records_a_second / normal.records_a_second
    assert ratio >= RATIO_MIN, f"{without} without the laboratory, {normal} with it"
    return f"import: {normal}; without lab {without}: {ratio:.0%}; all {wanted.total()} open"


def _rate(load: Load) -> float:
    """Acknowledgements a second, between two of them: what a fault of a moment does is left out."""
    load.wait_more(PATIENCE_S)
    before, began_s = load.count(), time.monotonic()
    time.sleep(MEASURE_S)
    load.wait_more(PATIENCE_S)
    return (load.count() - before) / (time.monotonic() - began_s)


def _return(stage: Stage, name: str) -> None:
    stage.members.start(name)
    stage.members.wait_ready(name)
    wait_for_block(stage.members, NAMES, BLOCK_S_MAX)
    stage.checker.look()
