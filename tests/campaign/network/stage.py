"""A network with its links, load and checks: what every fault is played on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from tests.campaign.network.check import Checker
from tests.campaign.network.load import Load
from tests.campaign.network.members import Members
from tests.campaign.network.proxied import proxied_members
from tests.campaign.network.reads import read_all
from tests.support.live_network import NAMES, Network
from tests.support.proxy import Way

BLOCK_S_MAX = 10.0
"""From a member's return (its API answers) to its next block (`security.md` T2)."""

HEAL_S_MAX = 30.0
"""From the end of a partition to a block at every member (`security.md` T8)."""

PATIENCE_S = 60.0
"""Until what should happen is taken not to happen at all, on whatever machine this runs."""


class Cuts(Protocol):
    """Lines between members that can be cut: proxies, or a kernel's own."""

    def cut(self, ways: Iterable[Way]) -> None:
        """Nothing goes these ways until `heal`."""
        ...

    def heal(self) -> None:
        """Everything goes every way."""
        ...


@dataclass
class Stage:
    """All that a fault needs."""

    members: Members
    load: Load
    checker: Checker
    random: Random

    links: Cuts | None = None
    """None: members reach one another directly."""


@contextmanager
def direct_stage(folder: Path, seed: int) -> Iterator[Stage]:
    """Four members without proxies, under load while the block runs."""
    with Members(Network(folder)) as members, loaded(members, seed) as stage:
        yield stage


@contextmanager
def linked_stage(folder: Path, seed: int) -> Iterator[Stage]:
    """Four members, each link through a proxy, under load while the block runs."""
    with proxied_members(folder, seed) as (members, links), loaded(members, seed) as stage:
        stage.links = links
        yield stage


@contextmanager
def loaded(members: Members, seed: int) -> Iterator[Stage]:
    """Members under load, everything readable once: a note that meets the quorum is there."""
    load = Load(members, seed)
    checker = Checker(members, load, seed)
    try:
        with load.running():
            load.wait_more(PATIENCE_S)
            read_all(members, NAMES)
            yield Stage(members, load, checker, Random(seed))
    finally:
        checker.close()
