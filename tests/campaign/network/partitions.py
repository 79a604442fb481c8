"""
Members cut off from one another, and links that are slow, lossy or come and go (T8).

Two against two halts: nothing is acknowledged, reads go on. Three against one goes on. Whatever it
was, at most 30 seconds after it ended each member has a new block, all of one history, and
everything acknowledged meanwhile.
"""

import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.network.check import wait_for_block
from tests.campaign.network.reads import read_all
from tests.campaign.network.stage import HEAL_S_MAX, PATIENCE_S, Cuts, Stage, linked_stage
from tests.support.live_network import NAMES
from tests.support.proxy import Links, ways_between

SETTLE_S = 3.0
"""A block whose votes were under way when the line was cut may still be finished."""

LAST_S = (3.0, 8.0)
"""How long a fault lasts, drawn from this range."""

OUTAGE_S = 270.0
"""CometBFT dials 20 times in about 130 s, then after 3, 9, 27, 81, 243, … s (`p2p/switch.go`): it
ends soon after the fourth of these, so that the next is minutes away."""

FLAP_S = (0.2, 2.0)
FLAPS = 6

SLOW_S, JITTER_S = 0.2, 0.05
SLOW_BLOCK_S_MAX = 30.0
"""A block takes three rounds of messages and their gossip; each way costs a quarter second."""

LOSS = 0.3


@dataclass
class Partitions:
    """What became of some partitions."""

    cycles: int = 0
    acknowledged: int = 0
    heal_s_max: float = 0.0
    how: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line of a summary."""
        return (
            f"{self.acknowledged} acknowledgements found at all members, slowest heal "
            f"{self.heal_s_max:.1f} s, {dict(self.how)}"
        )


def run_partitions(seed: int, cycles: int, keep: Path | None = None) -> Partitions:
    """One fault of a link after another on one network; a failure ends it."""
    done = Partitions()
    with tempfile.TemporaryDirectory(prefix="salus-") as name:
        try:
            with linked_stage(Path(name), seed) as stage:
                for kind in itertools.islice(itertools.cycle(KINDS), cycles):
                    one_partition(stage, done, kind)
        except Exception as error:  # noqa: BLE001 (whatever a cut network does wrong)
            done.failures.append(
                f"seed {seed}, cycle {done.cycles}: {type(error).__name__}: {error}"
            )
            if keep is not None:
                logs = keep / f"partitions-{seed}"
                logs.mkdir(parents=True, exist_ok=True)
                for log in Path(name).glob("*.log"):
                    shutil.copy(log, logs)
    return done


def one_partition(stage: Stage, done: Partitions, kind: str) -> None:
    """One fault of this kind, its end, one look."""
    KINDS[kind](stage)
    links_of(stage).heal()
    heal_s = wait_for_block(stage.members, NAMES, HEAL_S_MAX)
    done.heal_s_max = max(done.heal_s_max, heal_s)
    stage.load.wait_more(HEAL_S_MAX)
    stage.checker.look()
    done.acknowledged = stage.checker.acknowledged
    done.how[kind] += 1
    done.cycles += 1


def two_and_two(stage: Stage) -> None:
    """No side has more than two thirds: no block, no acknowledgement, all reads answered."""
    names = stage.random.sample(NAMES, 4)
    _cut(stage, names[:2], names[2:])
    _halts(stage)


def torn(stage: Stage) -> None:
    """The same two halves with connections that break and are refused."""
    names = stage.random.sample(NAMES, 4)
    _proxies(stage).break_(ways_between(names[:2], names[2:]))
    _halts(stage)


def outage(stage: Stage) -> None:
    """The same for minutes: who dials must not give up."""
    names = stage.random.sample(NAMES, 4)
    _proxies(stage).break_(ways_between(names[:2], names[2:]))
    time.sleep(OUTAGE_S)
    _halts(stage)


def three_and_one(stage: Stage) -> None:
    """The three go on, the one makes no block and answers reads."""
    (alone, *others) = stage.random.sample(NAMES, 4)
    _cut(stage, [alone], others)
    time.sleep(SETTLE_S)
    height = stage.members.height(alone)
    stage.members.wait_above(height, others, PATIENCE_S)
    stage.load.wait_more(PATIENCE_S)
    _last(stage)
    read_all(stage.members, NAMES)
    assert height == stage.members.height(alone), f"{alone} made a block alone"


def one_way(stage: Stage) -> None:
    """One is heard by nobody and hears all: the others go on."""
    (silent, *others) = stage.random.sample(NAMES, 4)
    links_of(stage).cut((silent, other) for other in others)
    _goes_on(stage, others)


def ring(stage: Stage) -> None:
    """Each is reached by two only: votes go through others."""
    first, second, third, fourth = stage.random.sample(NAMES, 4)
    _cut(stage, [first], [third])
    _cut(stage, [second], [fourth])
    _goes_on(stage, NAMES)


def flapping(stage: Stage) -> None:
    """A member's links come and go."""
    (name, *others) = stage.random.sample(NAMES, 4)
    for _ in range(FLAPS):
        _cut(stage, [name], others)
        time.sleep(stage.random.uniform(*FLAP_S))
        links_of(stage).heal()
        time.sleep(stage.random.uniform(*FLAP_S))


def slow(stage: Stage) -> None:
    """200 ± 50 ms each way, everywhere: blocks take longer and come."""
    _proxies(stage).shape_all(delay_s=SLOW_S, jitter_s=JITTER_S)
    wait_for_block(stage.members, NAMES, SLOW_BLOCK_S_MAX)
    _last(stage)
    stage.load.wait_more(SLOW_BLOCK_S_MAX)


def lossy(stage: Stage) -> None:
    """Three parts of ten are lost and sent again."""
    _proxies(stage).shape_all(loss=LOSS)
    wait_for_block(stage.members, NAMES, SLOW_BLOCK_S_MAX)
    _last(stage)
    stage.load.wait_more(SLOW_BLOCK_S_MAX)


KINDS: dict[str, Callable[[Stage], None]] = {
    "two and two": two_and_two,
    "torn": torn,
    "three and one": three_and_one,
    "one way": one_way,
    "ring": ring,
    "flapping": flapping,
    "slow": slow,
    "lossy": lossy,
    "outage": outage,
}


def links_of(stage: Stage) -> Cuts:
    """The lines of a stage that can cut them."""
    assert stage.links is not None
    return stage.links


def _proxies(stage: Stage) -> Links:
    assert isinstance(stage.links, Links)
    return stage.links


def _cut(stage: Stage, some: list[str], others: list[str]) -> None:
    links_of(stage).cut(ways_between(some, others))


def _halts(stage: Stage) -> None:
    """No block, no acknowledgement, all reads answered."""
    time.sleep(SETTLE_S)
    heights, seen = stage.members.heights(NAMES), stage.load.count()
    _last(stage)
    read_all(stage.members, NAMES)
    assert heights == stage.members.heights(NAMES), "a half of the network made a block"
    # A worker that was cut off while it waited may hear from another member of a block from before.
    newest = max([one.height for one in stage.load.acknowledged(seen)], default=0)
    assert newest <= max(heights.values()), "a half of the network acknowledged something new"


def _goes_on(stage: Stage, names: tuple[str, ...] | list[str]) -> None:
    wait_for_block(stage.members, names, PATIENCE_S)
    stage.load.wait_more(PATIENCE_S)
    _last(stage)


def _last(stage: Stage) -> None:
    time.sleep(stage.random.uniform(*LAST_S))
