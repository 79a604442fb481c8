"""One network and its door for all tests here: none of them stops a member."""

from collections.abc import Iterator

import pytest

from tests.unit.doors.world import World, open_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four members behind one door."""
    yield from open_world(tmp_path_factory.mktemp("door"))
