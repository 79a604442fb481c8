"""Networks for the gateway's tests: one shared by all, and one of a test's own to break."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four running members; each test brings patients of its own names."""
    made = make_world(tmp_path_factory.mktemp("world"), 0)
    yield made
    made.network.close()


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """The same, of one test alone: what it does cannot be undone."""
    made = make_world(tmp_path, 0)
    yield made
    made.network.close()
