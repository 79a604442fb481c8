"""The arms of the comparison, in the order printed, and how one is run."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from bench.peers.immudb import ImmudbPeer
from bench.peers.peer import Peer, Result
from bench.peers.postgres import PostgresPeer
from bench.peers.sqlite import SqlitePeer

GROUP_ROWS = 1_000
"""Rows of a grouped transaction: as many as a full block of Salus, which syncs once a block too."""

SHORT_SYNC_WINDOW_MS = 4
"""Of 1, 4 and 20 ms, immudb's window with the most rows a second at 100 clients, when tried."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A peer, and how many rows each of its transactions holds."""

    id: str
    """What the command line calls it."""

    make_peer: Callable[[], Peer]
    """Called for each measurement, so that each starts on an empty database."""

    batch: int = 1
    """Rows a transaction."""

    @property
    def name(self) -> str:
        """The peer's name and settings, as printed."""
        grouped = "" if self.batch == 1 else f", grouped by {self.batch:,}"
        return self.make_peer().name + grouped

    @contextmanager
    def started(self, folder: Path) -> Iterator[Peer]:
        """
        Start a new peer in a folder made inside `folder`; at the end stop it and remove that.

        Raises `PeerMissing` if its program cannot be had.
        """
        home = Path(mkdtemp(prefix=f"{self.id}-", dir=folder))
        peer = self.make_peer()
        try:
            peer.start(home)
            yield peer
        finally:
            peer.stop()
            shutil.rmtree(home)


ARMS = (
    Arm("sqlite", SqlitePeer),
    Arm("sqlite-grouped", SqlitePeer, GROUP_ROWS),
    Arm("postgresql", PostgresPeer),
    Arm("postgresql-grouped", PostgresPeer, GROUP_ROWS),
    Arm("immudb", ImmudbPeer),
    Arm("immudb-short-window", partial(ImmudbPeer, sync_window_ms=SHORT_SYNC_WINDOW_MS)),
    Arm("immudb-grouped", ImmudbPeer, GROUP_ROWS),
)


def measure(
    arm: Arm, folder: Path, *, clients: Sequence[int], seconds: float
) -> Iterator[tuple[int, Result]]:
    """
    Run one arm once for each number of clients, and yield each number with its result.

    Raises `PeerMissing` if its program cannot be had.
    """
    with arm.started(folder) as peer:
        for count in clients:
            yield count, peer.run(clients=count, seconds=seconds, batch=arm.batch)
