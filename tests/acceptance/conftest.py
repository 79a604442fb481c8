"""Networks for the acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.world import World, make_world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One network for a module's tests, with three patients; nobody stops members of it."""
    world = make_world(tmp_path_factory.mktemp("shared"), 3)
    yield world
    world.network.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A network of a test's own, with one patient; members may be stopped, time moved."""
    world = make_world(tmp_path, 1)
    yield world
    world.network.close()
