"""
What the own CometBFT says of itself: whether it keeps up, and the words after which it is no use.

When a decided block contradicts this node's state, CometBFT writes so into its log and makes no
more blocks, but its process lives on, or ends and fails again at each start (`consensus/state.go`,
`blocksync/reactor.go` of its 0.39 line). So its log is read along, and the node halts with height
and remedy instead of standing still.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from salus.base.errors import Category, Fault, Problem
from salus.node.comet.rpc import UNANSWERED, ask
from salus.node.ledger import Ledger
from salus.node.regularly import Regularly

LOOK_S = 1.0
"""Between looks at the log."""

READ_BYTES_MAX = 1024 * 1024
"""Of the log at one look; what is older was written while nobody could act on it."""

ANSWER_S = 2.0
"""How long CometBFT may take to say where it stands."""

WRONG_HASH = b"wrong Block.Header.AppHash"
FAILED = (b"CONSENSUS FAILURE!!!", b"Failed to process committed block")
"""Its words when a decided block is not what this node expected, and when it goes on no more."""


class Watch:
    """Reads CometBFT's log along from its constructor until `close`."""

    def __init__(
        self,
        path: Path,
        ledger: Ledger,
        halt: Callable[[Problem], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """
        Look from now on.

        `path`: of its log; called at most once, with what an operator is told: `halt` where this
        node's state is another than the members decided, `fail` where CometBFT failed otherwise.
        """
        self._path = path
        self._ledger = ledger
        self._halt = halt
        self._fail = fail
        self._at = path.stat().st_size if path.exists() else 0
        self._looking = Regularly("comet-log", LOOK_S, self._look)
        self._looking.start()

    def close(self) -> None:
        """Look no more."""
        self._looking.close()

    def _look(self) -> None:
        failed = [line for line in self._news() if any(one in line for one in FAILED)]
        if not failed:
            return
        self._looking.stop()
        if WRONG_HASH in failed[0]:
            self._halt(app_hash_differs(self._ledger))
        else:
            self._fail(_failed(self._ledger))

    def _news(self) -> list[bytes]:
        """Whole lines written since the last look; from its start, if the log was begun anew."""
        try:
            with self._path.open("rb") as file:
                end = file.seek(0, 2)
                start = max(self._at if self._at <= end else 0, end - READ_BYTES_MAX)
                file.seek(start)
                words = file.read(end - start)
        except OSError:
            return []
        whole = words.rfind(b"\n") + 1
        self._at = start + whole
        return words[:whole].splitlines()


def app_hash_differs(ledger: Ledger) -> Problem:
    """What an operator is told whose node has another state than the members decided."""
    tip = ledger.tip
    return Problem(
        Category.UNVERIFIED,
        "AppHashDiffers",
        f"block {tip.height}: this node finds app hash {tip.app_hash.hex()}, the members decided "
        "another. They go on and nothing is lost; this node makes no more blocks, and can be read. "
        "Stop it, run `salus audit` on its folder to see why, then `salus network rejoin`",
        height=tip.height,
    )


def standing(socket: Path) -> str | None:
    """Why the own CometBFT does not keep up; None if it does. `socket`: of its RPC."""
    try:
        status = ask(socket, "status", _Status, ANSWER_S)
    except UNANSWERED:
        return "its CometBFT does not answer, and is started again by itself: see cometbft.log"
    if status.sync_info.catching_up:
        return "its CometBFT is behind, and takes the blocks it lacks from the others by itself"
    return None


def _failed(ledger: Ledger) -> Fault:
    return Fault(
        f"CometBFT makes no more blocks after {ledger.tip.height}: its own words stand in "
        "cometbft.log; keep both folders, and start the node again"
    )


class _SyncInfo(msgspec.Struct):
    catching_up: bool


class _Status(msgspec.Struct):
    sync_info: _SyncInfo
