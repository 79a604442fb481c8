"""The demo's whole tour, ordered by CometBFT: nothing above the engine knows the difference."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from salus.doors.demo.comet import CometNetwork
from salus.doors.demo.screen import Screen
from salus.doors.demo.tour import Tour
from tests.support.live import needs_comet, one_at_a_time

SEGMENT_BYTES = 1024 * 1024


@pytest.mark.slow
@one_at_a_time
@needs_comet
def test_the_tour_holds_on_a_network(tmp_path: Path) -> None:
    """Records, grants, releases, revocation, proofs, a lost disk: on four validators."""
    network = CometNetwork(tmp_path, segment_bytes=SEGMENT_BYTES)
    try:
        Tour(network, Screen(Console(file=io.StringIO(), width=100)), 3).run()
    finally:
        network.close()
