"""Order of the whole suite: what takes seconds runs after all that takes none."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests marked `slow` last; inside both halves the order stays."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
