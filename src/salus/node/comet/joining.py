"""
How a network's member with an empty folder starts in minutes: by CometBFT's state sync (ADR 0019).

Before its node runs, CometBFT runs alone beside `state_sync.Taker`: it finds a snapshot, checks its
app hash with its light client, hands the chunks over, and goes on by blocks. With the first block
in its store it is stopped; the node starts on the ledger that was made. A mark in the folder says
that this is not ended: whatever broke off, the next start begins it anew.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import structlog

from salus.base.errors import Category, Fault, Problem
from salus.machine.execute import Machine
from salus.node.archive import Stated
from salus.node.comet import program
from salus.node.comet.home import CometHome
from salus.node.comet.joiner import Joiner
from salus.node.comet.light import LightDoor
from salus.node.comet.process import CometProcess
from salus.node.comet.server import AbciServer
from salus.node.comet.state_sync import CHUNKS_MAX, Taker
from salus.node.comet.trust import Members, Trust, find_trust
from salus.node.folder_lock import FolderLock
from salus.node.ledger import Ledger
from salus.node.mode import is_network
from salus.node.peers import Peer
from salus.node.restore import forget
from salus.node.small_file import write_whole
from salus.node.snapshots import Meta
from salus.node.whole_history import TAKING_OVER, WHOLE

log = structlog.get_logger()

MARK = "joining"
"""In the node's folder from the wish to join by a snapshot until CometBFT has its first block."""

FIRST = "first"
"""The ledger as the genesis file begins it, for CometBFT's own genesis file; made and removed."""

FIRST_SEGMENT_BYTES = 1024 * 1024

LOOK_S = 0.2

STILL_S = 180.0
"""Without a word from CometBFT for so long its sync has ended; it waits two minutes for a chunk."""

TRUST_PERIOD = "8760h"
"""The hash was vouched for a moment ago, so its header may be old."""


def wants_state_sync(folder: Path) -> bool:
    """Whether a node's folder is to be filled by state sync, or was not filled to the end."""
    return (folder / MARK).exists()


def want_state_sync(folder: Path) -> None:
    """Have the next start fill the node's folder by state sync."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder / MARK, b"")


def join_by_state_sync(
    folder: Path,
    machine: Machine,
    genesis: bytes,
    home: CometHome,
    peers: Sequence[Peer],
    *,
    comet_program: Path | None = None,
) -> Stated:
    """
    Fill a node's folder, empty or half filled, and CometBFT's stores; the block it now stands at.

    `peers`: all other members. Raises Problem NoSnapshot, NoTrust (too few members agree),
    NodeKeyMissing, FolderInUse, CometMissing, CometGenesisMissing, StorageFull.
    """
    home.check_node_key()
    found = comet_program or program.find_or_build()
    lock = FolderLock(folder)
    try:
        while True:
            trust = find_trust(peers)
            want_state_sync(folder)
            _empty(folder, home)
            _write_home(folder, machine, genesis, home, trust)
            with _Attempt(folder, machine, genesis, home, trust, peers, found) as attempt:
                meta = attempt.wait()
            if meta is not None:
                break
            log.warning("state_sync.begins_anew", height=trust.height)
        (folder / MARK).unlink()
    finally:
        lock.release()
    log.info("rejoin.restored", height=meta.height)
    return Stated(app=meta.app_hash, height=meta.height, time_ms=meta.time_ms)


class _Attempt:
    """CometBFT beside the taker, from the constructor to the end of the block."""

    def __init__(
        self,
        folder: Path,
        machine: Machine,
        genesis: bytes,
        home: CometHome,
        trust: Trust,
        peers: Sequence[Peer],
        comet_program: Path,
    ) -> None:
        self._stirred_s = time.monotonic()
        self._failure: BaseException | None = None
        self._broken = threading.Event()
        members = Members(peers)
        self._taker = Taker(folder, machine, genesis, members, self._stir)
        self._joiner = Joiner(self._taker, {*members.nodes, *_names(home)})
        with ExitStack() as opened:
            for path, peer in zip(_door_paths(home, trust), trust.servers, strict=True):
                opened.callback(LightDoor(path, peer).close)
            server = AbciServer(home.abci_socket, self._joiner, self._fail)
            opened.callback(server.close)
            process = CometProcess(comet_program, home, self._restarted)
            opened.callback(process.close)
            opened.callback(self._joiner.release)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def wait(self) -> Meta | None:
        """What the ledger is of, once CometBFT stored the block after it; None: begin anew."""
        while not self._joiner.arrived.wait(LOOK_S):
            if self._failure is not None:
                raise _failed(self._failure)
            if self._broken.is_set() or time.monotonic() - self._stirred_s > STILL_S:
                return None
        return self._taker.restored

    def _stir(self) -> None:
        self._stirred_s = time.monotonic()

    def _fail(self, error: BaseException) -> None:
        self._failure = error

    def _restarted(self) -> None:
        """CometBFT ended: before it had a snapshot it may try again, afterwards it cannot go on."""
        if self._taker.restored is not None:
            self._broken.set()


def _empty(folder: Path, home: CometHome) -> None:
    forget(folder)
    for name in (WHOLE, FIRST):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / TAKING_OVER).unlink(missing_ok=True)
    home.forget_blocks()
    shutil.rmtree(home.temporary, ignore_errors=True)


def _write_home(
    folder: Path, machine: Machine, genesis: bytes, home: CometHome, trust: Trust
) -> None:
    """CometBFT's settings with `[statesync]`, and its genesis file where there is none."""
    settings: dict[str, object] = {
        "enable": True,
        "rpc_servers": ",".join(f"unix://{path}" for path in _door_paths(home, trust)),
        "trust_height": trust.height,
        "trust_hash": trust.block,
        "trust_period": TRUST_PERIOD,
        "discovery_time": "5s",
        "max_snapshot_chunks": CHUNKS_MAX,
    }
    first = folder / FIRST
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, first)
        ledger = Ledger.open(first, machine, genesis, segment_bytes=FIRST_SEGMENT_BYTES)
        opened.callback(ledger.close)
        if home.chain() is None and not is_network(ledger.view()):
            raise Problem(
                Category.NOT_FOUND,
                "CometGenesisMissing",
                f"expected CometBFT's genesis.json in {home.folder.name}/config, as this ledger "
                "was moved into a network: copy it from another member; it is the same at all",
            )
        home.write(ledger, {"statesync": settings})


def _door_paths(home: CometHome, trust: Trust) -> list[Path]:
    """A socket for each member that is asked, by names no longer than the App's."""
    return [home.folder / "run" / f"ask{at}.sock" for at in range(len(trust.servers))]


def _names(home: CometHome) -> set[str]:
    """The nodes of the settings, 40 hex each."""
    return {one.partition("@")[0] for one in home.peers}


def _failed(error: BaseException) -> Problem | Fault:
    match error:
        case Problem() | Fault():
            return error
        case OSError():
            return Problem(
                Category.UNAVAILABLE,
                "StorageFull",
                f"a snapshot could not be written ({error.strerror}): free some space and start "
                "again: it begins anew",
            )
        case _:
            return Fault(f"a bug in Salus ended the state sync: {type(error).__name__}")
