"""
A restored copy made whole: a second copy beside it executes all blocks, and takes its place.

The second one stands in the folder `whole` and trusts nobody: each block is executed from the
genesis on, as at any member. Once it has caught up, and its app hash is the restored copy's, it is
marked complete, and the next start puts it in the restored one's place.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle
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

STILL_S = 30.0
"""A source that brings no block for so long is left for the next."""

PAUSE_S = 60.0
"""After all sources failed; one begins anew from the first block if it is left for a lie."""


class WholeHistory:
    """Fetches and executes the missing blocks, from the constructor to `close`."""

    def __init__(
        self, folder: Path, ledger: Ledger, sources: Sequence[Peer], *, segment_bytes: int
    ) -> None:
        """
        Begin, or go on with what is there.

        `folder`: the node's; `ledger`: the restored copy in it; `sources`: who may have all blocks,
        asked one after another.
        """
        self._folder = folder / WHOLE
        self._ledger = ledger
        self._sources = list(sources)
        self._segment_bytes = segment_bytes
        self._whole = self._open()
        # Signatures are checked in this process's thread: whoever is served comes first.
        self._pool = VerifyPool(ledger.network, workers=0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="whole-history", daemon=True)
        self._thread.start()

    @property
    def height(self) -> int:
        """Up to which block the history is here."""
        return self._whole.tip.height

    @property
    def complete(self) -> bool:
        """Whether nothing is missing any more: the next start has the whole history."""
        return (self._folder / COMPLETE).exists()

    def close(self) -> None:
        """Stop after the block in work."""
        self._stopping.set()
        self._thread.join()
        self._pool.close()
        self._whole.close()

    def _fetch(self) -> None:
        """One source after another, until the copy has all that the restored one has."""
        for turn, source in enumerate(cycle(self._sources), 1):
            if self._fetch_from(source):
                write_whole(self._folder / COMPLETE, b"")
                log.info("history.complete", height=self.height)
                return
            pause_s = PAUSE_S if turn % len(self._sources) == 0 else 0
            if self._stopping.wait(pause_s):
                return

    def _fetch_from(self, source: Peer) -> bool:
        """Whether this source brought what was missing; a false history is thrown away whole."""
        replica = Replica(self._whole, source, self._pool, past_move=True)
        try:
            reached = self._wait(replica)
        finally:
            replica.close()
        is_false = replica.failure is not None or (reached and not self._agrees())
        if is_false:
            self._begin_anew()
        if not self._stopping.is_set() and (is_false or not reached):
            log.error("history.source_left", member=source.member.hex(), height=self.height)
        return reached and not is_false

    def _wait(self, replica: Replica) -> bool:
        """Whether the copy caught up; False if the source fails, or brings nothing for a while."""
        height, since_s = self.height, time.monotonic()
        while not self._stopping.wait(LOOK_S) and replica.failure is None:
            if self.height >= self._ledger.tip.height:
                return True
            if self.height > height:
                height, since_s = self.height, time.monotonic()
            elif time.monotonic() - since_s > STILL_S:
                return False
        return False

    def _agrees(self) -> bool:
        """
        Whether the two copies have one app hash, and with it one log and one state.

        The restored one's was proved to it; members' signatures alone cannot show that a source
        left no transaction out.
        """
        tip = self._ledger.tip
        at = min(self.height, tip.height)
        expected = tip.app_hash if at == tip.height else self._ledger.record(at).app
        return self._whole.record(at).app == expected

    def _begin_anew(self) -> None:
        self._whole.close()
        shutil.rmtree(self._folder)
        self._whole = self._open()

    def _open(self) -> Ledger:
        return Ledger.open(
            self._folder,
            self._ledger.machine,
            self._ledger.genesis,
            segment_bytes=self._segment_bytes,
        )


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
