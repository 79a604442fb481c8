"""The peers of `bench.peers` as arms of a run; one that is missing is told and left out."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.peers.arms import ARMS, Arm, measure
from bench.peers.peer import PeerMissing

SECONDS = 4.0
"""How long each run of a peer writes."""


def peer_rates(folder: Path, ids: Sequence[str], *, clients: int) -> dict[str, Callable[[], float]]:
    """Name -> a run of that peer with so many clients; its result is rows a second."""
    return {arm.name: partial(_rate, arm, folder, clients) for arm in arms_there(folder, ids)}


def arms_there(folder: Path, ids: Sequence[str]) -> list[Arm]:
    """The arms of these names whose programs can be had."""
    return [arm for arm in ARMS if arm.id in ids and _is_there(arm, folder)]


def _rate(arm: Arm, folder: Path, clients: int) -> float:
    [(_, result)] = measure(arm, folder, clients=[clients], seconds=SECONDS)
    return result.per_second


def _is_there(arm: Arm, folder: Path) -> bool:
    try:
        with arm.started(folder):
            return True
    except PeerMissing as missing:
        sys.stderr.write(f"  {arm.name}: not run: {missing}\n")
        return False
