"""Faults that need a kernel's help: a member's disk that fills up, lines that are really cut."""

import pytest

from tests.campaign.full_disk import can_mount
from tests.campaign.network.disk import run_full_disk
from tests.campaign.network.namespaces import run_namespaces, why_not
from tests.support.live import LIVE

pytestmark = LIVE


@pytest.mark.skipif(not can_mount(), reason="this kernel lets no process have mounts of its own")
def test_one_members_full_disk_stops_that_member_alone() -> None:
    """It refuses, then stops with a sentence; others go on; with room again it is level."""
    assert run_full_disk(1) is None


def test_partitions_of_real_lines() -> None:
    """Network namespaces joined by veth pairs: two halves halt and agree afterwards."""
    lacks = why_not()
    if lacks is not None:
        pytest.skip(f"network namespaces with veth pairs: {lacks}")

    assert run_namespaces(1, ["two and two"]) is None
