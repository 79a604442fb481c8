"""CometBFT's RPC: whoever does not answer is an error, and no line stays open behind it."""

import gc
import socket
from contextlib import closing
from pathlib import Path

import pytest

from salus.node.comet.rpc import UNANSWERED, ask


@pytest.fixture
def left_behind(tmp_path: Path) -> Path:
    """The socket's file of a CometBFT that was killed."""
    path = tmp_path / "rpc.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
    return path


@pytest.mark.parametrize("is_there", [True, False], ids=["killed", "never started"])
def test_who_is_down_is_an_error_and_leaves_no_line(left_behind: Path, *, is_there: bool) -> None:
    """Asked every second while a member is away: an open line each would end the program."""
    path = left_behind if is_there else left_behind.with_name("none.sock")
    with pytest.raises(UNANSWERED):
        ask(path, "status", dict)
    gc.collect()
