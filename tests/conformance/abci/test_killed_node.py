"""A node's process killed at any moment: nothing acknowledged is lost, and it comes back level."""

import os
import time
from pathlib import Path
from random import Random

from tests.conformance.abci.processes import ProcessNetwork
from tests.support.ledgers import term
from tests.support.live import LIVE

pytestmark = LIVE

GONE_S_MAX = 10.0


def wait_gone(pid: int) -> None:
    """Until no such process runs."""
    end_s = time.monotonic() + GONE_S_MAX
    while runs(pid):
        assert time.monotonic() < end_s, "CometBFT outlived its node"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_under_load_and_started_again(tmp_path: Path) -> None:
    """
    Three times one of four is killed while all are busy.

    What it acknowledged before is in every other ledger; CometBFT ends with it; started again, it
    is level within seconds and all app hashes are equal.
    """
    random = Random(7)
    with ProcessNetwork(tmp_path) as network:
        number = 0
        for turn in range(3):
            victim = network.nodes[turn]
            comet = int(victim.ask("comet")[0][1])
            for member in range(4):
                envelopes = [network.sign(member, term(number + at)) for at in range(1, 26)]
                number += 25
                network.nodes[member].tell("submit", *envelopes)
            acknowledged = victim.read(random.randrange(1, 20))
            network.kill(turn)
            wait_gone(comet)
            for member in set(range(4)) - {turn}:
                assert {"done"} == {line[0] for line in network.nodes[member].read(25)}
            assert {"done"} == {line[0] for line in acknowledged}
            height = max(int(line[1]) for line in acknowledged)
            network.start(turn)
            ((_, done, _),) = network.nodes[turn].ask("submit", network.sign(3, term(1)))
            network.wait_level(max(height, int(done)))
        time.sleep(1.0)
        tips = {tuple(node.ask("tip")[0][1:]) for node in network.nodes.values()}

        assert 1 == len(tips)
