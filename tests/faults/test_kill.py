"""Kill -9 of a working engine (T1): nothing acknowledged is lost, no half block, a quick start."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.campaign.kill import START_S_MAX, run_kills


@pytest.mark.slow
def test_fifty_kills_lose_nothing() -> None:
    """At random moments, and where strace is, at the calls of a commit."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        lanes = list(pool.map(run_kills, (1, 2), (25, 25)))

    assert [] == [failure for kills in lanes for failure in kills.failures]
    assert sum(kills.acknowledged for kills in lanes) > 1_000
    assert max(kills.start_s_max for kills in lanes) <= START_S_MAX
    if shutil.which("strace"):
        assert any(how != "at a moment" for kills in lanes for how in kills.how)
