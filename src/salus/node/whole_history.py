"""
A restored copy made whole: a second copy beside it executes all blocks, and takes its place.

The second one stands in the folder `whole` and trusts nobody: each block is executed from the
genesis on, as at any member. Once it has caught up it is marked complete, and the next start puts
it in the restored one's place.
"""

import shutil
import threading
from contextlib import closing
from pathlib import Path

import structlog

from salus.base.errors import Fault, invariant
from salus.machine.execute import Machine
from salus.machine.refusals import SignatureInvalid
from salus.node.history import FILE
from salus.node.ledger import Ledger
from salus.node.peers import Peer
from salus.node.ports import REAL_DISK
from salus.node.replica import Replica
from salus.node.restore import PLACES
from salus.node.small_file import write_whole
from salus.node.verify_pool import VerifyPool

log = structlog.get_logger()

WHOLE = "whole"
COMPLETE = "complete"
"""In `whole`: it has all that the restored copy had at that time."""

TAKING_OVER = "taking-over"
"""In the node's folder while the one copy is put in the other's place."""

LOOK_S = 1.0


class WholeHistory:
    """Fetches and executes the missing blocks, from the constructor to `close`."""

    def __init__(self, folder: Path, ledger: Ledger, source: Peer, *, segment_bytes: int) -> None:
        """`folder`: the node's; `ledger`: the restored copy in it; `source`: who has all blocks."""
        self._mark = folder / WHOLE / COMPLETE
        self._ledger = ledger
        self._whole = Ledger.open(
            folder / WHOLE, ledger.machine, ledger.genesis, segment_bytes=segment_bytes
        )
        # Signatures are checked in this process's thread: whoever is served comes first.
        self._pool = VerifyPool(ledger.network, workers=0)
        self._replica = Replica(self._whole, source, self._pool)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="whole-history", daemon=True)
        self._thread.start()

    @property
    def height(self) -> int:
        """Up to which block the history is here."""
        return self._whole.tip.height

    @property
    def complete(self) -> bool:
        """Whether nothing is missing any more: the next start has the whole history."""
        return self._mark.exists()

    def close(self) -> None:
        """Stop after the block in work."""
        self._stopping.set()
        self._thread.join()
        self._replica.close()
        self._pool.close()
        self._whole.close()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            if self._replica.failure is not None:
                log.error("history.stopped", height=self.height)
                return
            if self.height >= self._ledger.tip.height:
                write_whole(self._mark, b"")
                log.info("history.complete", height=self.height)
                self._replica.close()
                return


def take_over(folder: Path, machine: Machine, genesis: bytes, *, segment_bytes: int) -> bool:
    """
    Put a complete second copy in the restored one's place; before the node opens its ledger.

    Returns whether it did. Raises Fault if the two copies differ.
    """
    if not (folder / TAKING_OVER).exists():
        if not (folder / WHOLE / COMPLETE).exists():
            return False
        with (
            closing(Ledger.open(folder, machine, genesis, segment_bytes=segment_bytes)) as restored,
            closing(
                Ledger.open(folder / WHOLE, machine, genesis, segment_bytes=segment_bytes)
            ) as whole,
        ):
            _add_newest(whole, restored)
        write_whole(folder / TAKING_OVER, b"")
    _move(folder)
    return True


def _add_newest(whole: Ledger, restored: Ledger) -> None:
    """Execute what the restored copy got since; its signatures were checked here before."""
    invariant(whole.tip.height >= restored.start.height, "the second copy lacks blocks in between")
    for height in range(whole.tip.height + 1, restored.tip.height + 1):
        record = restored.record(height)
        signatures = [result.code != SignatureInvalid.number for result in record.results]
        executed = whole.execute(record.block, signatures=signatures)
        if executed.sealed.app_hash != record.app:
            raise Fault(
                f"block {height}: expected app hash {record.app.hex()}, found "
                f"{executed.sealed.app_hash.hex()}: the restored copy differs from the one that "
                "was executed. Keep both folders, and tell the other members"
            )
        whole.commit(executed)


def _move(folder: Path) -> None:
    """Repeatable: a crash anywhere in between is made good by the next start."""
    for name in PLACES:
        found = folder / WHOLE / name
        if found.exists():
            shutil.rmtree(folder / name, ignore_errors=True)
            found.rename(folder / name)
    (folder / FILE).unlink(missing_ok=True)
    REAL_DISK.sync_folder(folder)
    shutil.rmtree(folder / WHOLE, ignore_errors=True)
    (folder / TAKING_OVER).unlink()
