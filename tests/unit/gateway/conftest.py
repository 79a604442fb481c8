"""Networks for the gateway's tests: one shared by a file, and one of a test's own to break."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four running members and nobody's records."""
    made = make_world(tmp_path_factory.mktemp("world"), 0)
    yield made
    made.network.close()


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """The same, of one test alone: its members may be stopped, its time moved."""
    made = make_world(tmp_path, 0)
    yield made
    made.network.close()
