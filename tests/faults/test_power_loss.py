"""Power loss under the embedded engine (T3), and the engine that must be caught."""

from tests.campaign.crash_images import HastyLedger, run_images


def test_nothing_acknowledged_is_lost_in_100_images() -> None:
    """Whatever an unsynced disk loses, reorders or tears, what was answered is in the journal."""
    images = run_images(1, 100)

    assert [] == images.failures
    assert images.acknowledged > 300


def test_engine_that_acknowledges_before_it_syncs_is_caught() -> None:
    """The control: the same story with answers before the journal must lose something."""
    images = run_images(1, 60, kind=HastyLedger)

    assert len(images.failures) >= 3
    assert all("found at None" in failure for failure in images.failures)
