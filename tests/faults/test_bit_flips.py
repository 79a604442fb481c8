"""Bit flips over all of a node's files (T4): found by the audit, or changing no answer."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.campaign.flips import Flips, run_flips

AREAS = {"journal", "log", "notes", "state", "vault", "witness"}


@pytest.mark.slow
def test_each_of_300_flips_is_found_or_harmless() -> None:
    """Every area has flips that were found; none was missed that changed an answer."""
    flips = Flips()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for done in pool.map(run_flips, (1, 2), (150, 150)):
            flips += done

    assert [] == flips.failures
    assert set(flips.found) == AREAS
    assert flips.found.total() + flips.harmless.total() == 300
