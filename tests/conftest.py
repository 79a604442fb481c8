"""Order of the whole suite, who runs what of it, and how its properties draw."""

import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

settings.register_profile(
    "suite",
    derandomize=True,  # a red run is red again; SALUS_EXPLORE=1 draws anew
    deadline=None,  # a time is no fact on a shared machine
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", parent=settings.get_profile("suite"), derandomize=False)
settings.load_profile("explore" if os.environ.get("SALUS_EXPLORE") else "suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Put tests marked `slow` last; inside both halves the order stays.

    Of two processes one begins with what starts networks, which takes the longest.
    """
    is_shared = hasattr(config, "workerinput")

    def place(item: pytest.Item) -> int:
        if is_shared and item.get_closest_marker("xdist_group"):
            return 0
        return 2 if item.get_closest_marker("slow") else 1

    items.sort(key=place)


class Lanes(LoadGroupScheduling):
    """A file's tests to one process, since they share fixtures; a group's too (`support.live`)."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    """Share the suite out by files and groups."""
    return Lanes(config, log)
