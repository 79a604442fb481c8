"""One journal of random acts leads to one app hash wherever it is replayed (T10)."""

from collections.abc import Callable

import pytest

from tests.campaign.determinism import PYTHONS, environment, run_determinism


@pytest.mark.slow
def test_5000_transactions_replay_alike(record_property: Callable[[str, object], None]) -> None:
    """Hash seeds, verify processes, levels of the tree, and every Python with its packages."""
    replays = run_determinism(1, 5_000, make_environments=False)
    record_property("skipped", replays.skipped)

    assert [] == replays.failures
    assert replays.ways >= 3


@pytest.mark.parametrize("name", PYTHONS)
def test_other_pythons_are_counted(name: str) -> None:
    """A Python whose environment is not made here is told by name as skipped."""
    python = environment(name, make=False)
    if isinstance(python, str):
        pytest.skip(f"{name}: {python}")

    assert python.exists()
