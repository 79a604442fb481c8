"""Order of the whole suite, and how its properties draw."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    derandomize=True,  # a red run is red again; SALUS_EXPLORE=1 draws anew
    deadline=None,  # a time is no fact on a shared machine
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", parent=settings.get_profile("suite"), derandomize=False)
settings.load_profile("explore" if os.environ.get("SALUS_EXPLORE") else "suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests marked `slow` last; inside both halves the order stays."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
