"""A sync that fails under the embedded engine (T6), whichever file it is of."""

import shutil

import pytest

from tests.campaign.sync_errors import fail_syncs

PLAN = [(1, 0.0), (2, 0.0), (90, 0.5), (5, 0.0), (8, 0.0), (60, 0.5), (16, 0.0), (30, 0.5)]
"""(k, seconds of work) of one folder's lives: its first start, its work, its end."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_failed_sync_ends_the_process_and_loses_nothing() -> None:
    """Exit 70 at once, no sync after it, a sound folder: for journal, log and state store."""
    done = fail_syncs("short", PLAN)

    assert [] == done.failures
    assert {"journal", "log", "rocks"} <= set(done.where)
    assert done.acknowledged > 100
