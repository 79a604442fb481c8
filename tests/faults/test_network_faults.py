"""Four real members under load whose processes are killed and whose links are cut (T2, T8)."""

from collections.abc import Iterator

import pytest

from tests.campaign.network.check import wait_for_block
from tests.campaign.network.faults import paused, two_killed
from tests.campaign.network.kills import Kills, one_kill
from tests.campaign.network.members import Part
from tests.campaign.network.partitions import Partitions, one_partition
from tests.campaign.network.stage import BLOCK_S_MAX, Stage, linked_stage
from tests.support.live import LIVE
from tests.support.live_network import NAMES

pytestmark = LIVE


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One network for all; each test leaves it whole."""
    with linked_stage(tmp_path_factory.mktemp("faults"), 5) as made:
        yield made


def test_six_kills_of_single_members_and_one_of_all_lose_nothing(stage: Stage) -> None:
    """Node, CometBFT or both: what was acknowledged is at all members, blocks come within 10 s."""
    kills = Kills()
    for cycle in range(7):
        one_kill(stage, kills, of_all=cycle == 6)

    assert 7 == kills.cycles
    assert 0 == kills.late
    assert kills.acknowledged > 50


@pytest.mark.parametrize("kind", ["two and two", "three and one", "slow"])
def test_members_cut_off_agree_afterwards(stage: Stage, kind: str) -> None:
    """Halves halt and are read, three go on without the fourth, slow links only slow."""
    done = Partitions()
    one_partition(stage, done, kind)

    assert {kind: 1} == done.how
    assert done.acknowledged > 0


def test_two_of_four_killed_halts_is_read_and_resumes(stage: Stage) -> None:
    """No block by two, no fork, and a block within ten seconds of the return."""
    assert two_killed(stage).startswith("two of four killed: halted, resumed")


def test_a_comet_that_outlives_its_node_keeps_nobody_out(stage: Stage) -> None:
    """One that hangs holds its folder's locks; the node's next start ends it."""
    stage.members.pause("lab", Part.COMET)
    stage.members.kill("lab", Part.NODE)
    stage.members.start("lab")
    stage.members.wait_ready("lab")
    wait_for_block(stage.members, NAMES, BLOCK_S_MAX)

    assert stage.checker.look() > 0


def test_a_paused_member_is_level_again(stage: Stage) -> None:
    """SIGSTOP of both its processes stops nobody else."""
    assert "level after" in paused(stage, Part.BOTH, 5.0)
