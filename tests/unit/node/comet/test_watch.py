"""What CometBFT says of itself: its log read along, its standing asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue

import pytest

from salus.base.errors import Problem
from salus.node.comet import watch
from salus.node.comet.watch import Watch, standing
from salus.node.ledger import Ledger
from tests.support.ledgers import VIEW, Chain, add_block

STACK = b"stack=" + b"goroutine 1 " * 50
VOTED_NIL = (
    b"E[2026-11-30] prevote step: consensus deems this block invalid "
    b'err="wrong Block.Header.AppHash."\n'
)
COMMITTED = (
    b'E[2026-11-30] CONSENSUS FAILURE!!! module=consensus err="+2/3 committed an invalid block: '
    b'wrong Block.Header.AppHash.  Expected AB, got CD" ' + STACK + b"\n"
)
SYNCED = b"panic: Failed to process committed block (7:AB): wrong Block.Header.AppHash.  Expected\n"
OTHER = (
    b'E[2026-11-30] CONSENSUS FAILURE!!! module=consensus err="failed to write WAL" '
    + STACK
    + b"\n"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """With one block."""
    chain = Chain(members=2)
    with closing(chain.open(tmp_path / "ledger")) as ledger:
        add_block(ledger, chain.sign(0, VIEW, nonce=0))
        yield ledger


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.01)


WORDS = {
    "a decided block": (COMMITTED, "halted"),
    "a block taken from others": (SYNCED, "halted"),
    "after a vote against it": (VOTED_NIL + COMMITTED, "halted"),
    "another failure": (OTHER, "failed"),
}


@pytest.mark.parametrize(("words", "expected"), WORDS.values(), ids=WORDS.keys())
def test_a_failure_is_told_once_with_height_and_remedy(
    tmp_path: Path, ledger: Ledger, words: bytes, expected: str
) -> None:
    """A block that contradicts the state halts; any other failure is a fault."""
    told: Queue[tuple[str, BaseException]] = Queue()
    path = tmp_path / "cometbft.log"
    path.write_bytes(COMMITTED)  # from an earlier run: read by nobody
    found = Watch(
        path,
        ledger,
        lambda why: told.put(("halted", why)),
        lambda error: told.put(("failed", error)),
    )
    with closing(found):
        with path.open("ab") as file:
            file.write(VOTED_NIL)
            file.write(words)
        kind, error = told.get(timeout=10)

    assert expected == kind
    assert told.empty()
    assert "block 1:" in str(error) or "after 1:" in str(error)
    if isinstance(error, Problem):
        assert ("AppHashDiffers", 65) == (error.name, error.category.exit_code)
        assert ledger.tip.app_hash.hex() in error.text
        assert "salus network rejoin" in error.text


def test_a_vote_against_a_block_is_no_failure(tmp_path: Path, ledger: Ledger) -> None:
    """Somebody's bad proposal is refused every day; a log begun anew is read from its start."""
    told: Queue[str] = Queue()
    path = tmp_path / "cometbft.log"
    path.write_bytes(VOTED_NIL * 100)
    seen = threading.Event()
    found = Watch(path, ledger, lambda _: told.put("halted"), lambda _: told.put("failed"))
    with closing(found):
        with path.open("ab") as file:
            file.write(VOTED_NIL)
        seen.wait(0.2)
        assert told.empty()
        path.write_bytes(COMMITTED)
        assert "halted" == told.get(timeout=10)


@contextmanager
def answering(path: Path, body: bytes | None) -> Iterator[None]:
    """A CometBFT that answers `/status` so; None: it takes the line and says nothing."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer() -> None:
        line, _ = server.accept()
        with line:
            if body is None:
                line.recv(65_536)
                line.recv(65_536)
            else:
                line.recv(65_536)
                line.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        server.close()


STANDING = {
    "level": (b'{"result":{"sync_info":{"catching_up":false}}}', None),
    "behind": (b'{"result":{"sync_info":{"catching_up":true}}}', "is behind"),
    "no JSON": (b"<html>", "does not answer"),
    "silent": (None, "does not answer"),
}


@pytest.mark.parametrize(("body", "expected"), STANDING.values(), ids=STANDING.keys())
def test_its_standing_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes | None, expected: str | None
) -> None:
    """Level, behind, or not there."""
    monkeypatch.setattr(watch, "ANSWER_S", 0.2)
    with answering(tmp_path / "rpc.sock", body):
        told = standing(tmp_path / "rpc.sock")

    assert (told is None) == (expected is None)
    assert expected is None or expected in str(told)


def test_one_that_does_not_run_is_told(tmp_path: Path) -> None:
    """No socket: it starts, or ended."""
    assert "does not answer" in str(standing(tmp_path / "rpc.sock"))
