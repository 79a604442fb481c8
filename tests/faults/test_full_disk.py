"""A disk that fills up under the embedded engine (T5)."""

import pytest

from tests.campaign.full_disk import can_mount, run_full_disk

LEFT_BYTES = [
    0,
    512,
    4_096,
    65_536,
    1_000_000,
    2_000_000,
    3_000_000,
    4_194_304,
    4_500_000,
    6_000_000,
]


@pytest.mark.skipif(not can_mount(), reason="this kernel lets no process have mounts of its own")
def test_reads_go_on_writes_are_refused_and_resume() -> None:
    """However little is left: no answer is wrong, no acknowledgement lost, the process lives."""
    assert run_full_disk(LEFT_BYTES) is None
