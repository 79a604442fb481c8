"""
All faults of a live network that are neither kills nor partitions, one after another.

Each drill ends with a look at everything; what this machine cannot play fails by name.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.campaign.full_disk import can_mount
from tests.campaign.network import disk, namespaces
from tests.campaign.network.clocks import run_clocks
from tests.campaign.network.faults import dead_for_an_import, paused, throughput, two_killed
from tests.campaign.network.imports import sample_shares
from tests.campaign.network.members import Part
from tests.campaign.network.stage import Stage, direct_stage

PATIENTS = 60
"""Each half is committed by several transactions."""
CLOCK_RUNS = 50


@dataclass
class Drills:
    """What became of some drills."""

    cycles: int = 0
    said: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_drills(seed: int, cycles: int) -> Drills:
    """Drill after drill, from the first again when all were played; a failure begins anew."""
    drills = Drills()
    plays = [partial(_on_stage, seed), partial(_alone, seed)]
    while drills.cycles < cycles:
        for play in plays:
            play(drills, cycles)
    return drills


def _on_stage(seed: int, drills: Drills, cycles: int) -> None:
    """Those that one network bears one after another."""
    stories: list[Callable[[Stage], str]] = [
        two_killed,
        *(partial(paused, part=part) for part in Part),
        throughput,
        partial(dead_for_an_import, shares=sample_shares(PATIENTS)),
    ]
    with tempfile.TemporaryDirectory(prefix="salus-") as name:
        try:
            with direct_stage(Path(name), seed) as stage:
                for story in stories:
                    if drills.cycles == cycles:
                        return
                    drills.said.append(story(stage))
                    drills.cycles += 1
        except Exception as error:  # noqa: BLE001 (whatever a network in trouble does wrong)
            drills.failures.append(f"seed {seed}, drill {drills.cycles}: {error!r}")
            drills.cycles += 1


def _alone(seed: int, drills: Drills, cycles: int) -> None:
    """Those that need a network, mounts or clocks of their own."""
    for story in (_disk, _namespaces, _clocks):
        if drills.cycles < cycles:
            problem = story(seed, drills)
            if problem is not None:
                drills.failures.append(f"seed {seed}, drill {drills.cycles}: {problem}")
            drills.cycles += 1


def _disk(seed: int, drills: Drills) -> str | None:
    if not can_mount():
        return "a full disk: not played: no process may have mounts of its own here"
    drills.said.append("full disk of one member: refused, stopped, came back")
    return disk.run_full_disk(seed)


def _namespaces(seed: int, drills: Drills) -> str | None:
    lacks = namespaces.why_not()
    if lacks is not None:
        return f"partitions of real lines: not played: {lacks}"
    drills.said.append("partitions of real lines: two and two halted, three and one went on")
    return namespaces.run_namespaces(seed)


def _clocks(seed: int, drills: Drills) -> str | None:
    clocks = run_clocks(seed, CLOCK_RUNS)
    drills.said.append(
        f"wrong clocks: {clocks.blocks} blocks equal at four members, {clocks.done} transactions "
        f"done, {clocks.expired} expired by block time"
    )
    return clocks.failures[0] if clocks.failures else None
