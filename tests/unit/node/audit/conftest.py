"""One sound folder for all tests of the audit; each works on a copy of it."""

import shutil
from pathlib import Path

import pytest

from tests.campaign.node_folder import NodeFolder, make_node_folder


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    """A folder nobody changes."""
    return make_node_folder(tmp_path_factory.mktemp("sound"), lines=60)


@pytest.fixture
def folder(sound: NodeFolder, tmp_path: Path) -> NodeFolder:
    """A copy to damage."""
    shutil.copytree(sound.path, tmp_path / "node")
    return sound._replace(path=tmp_path / "node")
