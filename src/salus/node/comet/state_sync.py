"""
State sync: the four ABCI calls about snapshots (`ledger.md` §5.8, ADR 0019).

A member that runs lists its newest two and gives their chunks. A member with an empty folder takes
one: the metadata must lead to the app hash that CometBFT's light client trusts, and enough members
must state its time, which no hash covers; each chunk must be the one the metadata names; the rows
must lead to the state root. Chunks lie on disk, one at a time in memory.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import structlog

from salus.base.errors import Category, Problem
from salus.base.hashing import sha256
from salus.machine.execute import Machine
from salus.node.comet.abci_pb2 import (
    RequestApplySnapshotChunk,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
    Snapshot,
)
from salus.node.restore import forget, restore
from salus.node.small_file import write_whole
from salus.node.snapshots import META, PART, Meta, Snapshots, chunk_name, read_meta, snapshot_name

log = structlog.get_logger()

FORMAT = 1
"""Of the chunks (`snapshots.py`)."""

CHUNKS_MAX = 100_000
"""Of one snapshot: CometBFT takes no more, and its metadata still fits into CometBFT's 4 MB."""

ABORT = ResponseApplySnapshotChunk(result=ResponseApplySnapshotChunk.ABORT)


class Offers:
    """What a member that runs gives to others."""

    def __init__(self, snapshots: Snapshots | None) -> None:
        """`snapshots`: of the same node; None: it gives none."""
        self._snapshots = snapshots

    def list(self) -> ResponseListSnapshots:
        """The whole snapshots here: the newest two."""
        if self._snapshots is None:
            return ResponseListSnapshots()
        found = [_describe(self._snapshots, height) for height in self._snapshots.heights()]
        return ResponseListSnapshots(snapshots=[one for one in found if one is not None])

    def load(self, asked: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk:
        """A chunk; empty, which CometBFT hands on as "missing", if it is not here any more."""
        if asked.format != FORMAT or self._snapshots is None:
            return ResponseLoadSnapshotChunk()
        try:
            data = self._snapshots.chunk(asked.height, asked.chunk)
        except Problem:
            data = b""
        return ResponseLoadSnapshotChunk(chunk=data)


class Sources(Protocol):
    """The other members, as far as a taker of snapshots asks them."""

    def stand_behind(self, meta: Meta) -> bool:
        """Whether enough members' own copies state this app hash, height and time."""
        ...

    def offering(self, data: bytes) -> list[str]:
        """Who offers a snapshot of this metadata; for the log."""
        ...

    def named(self, sender: str) -> str:
        """Who a sender of chunks is, in words; `sender`: its node id among CometBFT's peers."""
        ...


class Taker:
    """Takes one snapshot into an empty node folder; asked by one connection, in order."""

    def __init__(
        self,
        folder: Path,
        machine: Machine,
        genesis: bytes,
        sources: Sources,
        stirred: Callable[[], None],
    ) -> None:
        """`folder`: the node's; `stirred`: called while something still goes on."""
        self._folder = folder
        self._machine = machine
        self._genesis = genesis
        self._sources = sources
        self._stirred = stirred
        self._taking: _Taking | None = None
        self.restored: Meta | None = None
        """What the ledger in the folder is of, once it is there."""

    def offer(self, asked: RequestOfferSnapshot) -> ResponseOfferSnapshot:
        """Take up a snapshot, or say no; a new offer begins anew, whatever was there."""
        self._stirred()
        self._taking = None
        if asked.snapshot.format != FORMAT:
            return ResponseOfferSnapshot(result=ResponseOfferSnapshot.REJECT_FORMAT)
        try:
            meta = read_meta(asked.snapshot.metadata)
            self._check_offer(asked, meta)
        except Problem as problem:
            log.error(  # noqa: TRY400 (a "no" that is meant has no trace)
                "state_sync.offer_rejected",
                height=asked.snapshot.height,
                reason=problem.text,
                member=", ".join(self._sources.offering(asked.snapshot.metadata)),
            )
            return ResponseOfferSnapshot(result=ResponseOfferSnapshot.REJECT)
        self.restored = None
        forget(self._folder)
        self._taking = _Taking(self._folder / "snapshots", meta, asked.snapshot.metadata)
        log.info("state_sync.begun", height=meta.height, count=len(meta.chunks))
        return ResponseOfferSnapshot(result=ResponseOfferSnapshot.ACCEPT)

    def apply(self, asked: RequestApplySnapshotChunk) -> ResponseApplySnapshotChunk:
        """Keep a chunk that is the one named; with the last one the ledger is made."""
        self._stirred()
        taking = self._taking
        if taking is None:
            return ABORT
        if not taking.keep(asked.index, asked.chunk, asked.sender):
            log.error(
                "state_sync.sender_rejected",
                height=taking.meta.height,
                sequence=asked.index,
                member=self._sources.named(asked.sender),
            )
            return ResponseApplySnapshotChunk(
                result=ResponseApplySnapshotChunk.RETRY,
                refetch_chunks=[asked.index],
                reject_senders=[asked.sender],
            )
        if not taking.is_whole:
            return ResponseApplySnapshotChunk(result=ResponseApplySnapshotChunk.ACCEPT)
        return self._restore(taking)

    def _check_offer(self, asked: RequestOfferSnapshot, meta: Meta) -> None:
        """Raise the Problem of a snapshot that nothing but its sender speaks for."""
        offered = asked.snapshot
        described = (offered.height, offered.chunks, offered.hash)
        if described != (meta.height, len(meta.chunks), sha256(offered.metadata)):
            raise _rejected("height, number of chunks and hash as its metadata has them")
        if meta.app_hash != asked.app_hash:
            raise _rejected(
                f"metadata that leads to app hash {asked.app_hash.hex()}, which the validators "
                f"signed, found {meta.app_hash.hex()}"
            )
        if not self._sources.stand_behind(meta):
            raise _rejected("a time that enough members state")

    def _restore(self, taking: "_Taking") -> ResponseApplySnapshotChunk:
        self._taking = None
        try:
            restore(self._folder, self._machine, self._genesis, taking.meta, self._read(taking))
        except Problem as problem:
            # The hashes of the chunks stand in no app hash: who made these up, sent them too.
            log.error(  # noqa: TRY400 (a "no" that is meant has no trace)
                "state_sync.snapshot_rejected",
                height=taking.meta.height,
                reason=problem.text,
                member=", ".join(map(self._sources.named, taking.senders)),
            )
            taking.forget()
            return ResponseApplySnapshotChunk(
                result=ResponseApplySnapshotChunk.REJECT_SNAPSHOT, reject_senders=taking.senders
            )
        taking.finish()
        self.restored = taking.meta
        log.info("state_sync.restored", height=taking.meta.height)
        return ResponseApplySnapshotChunk(result=ResponseApplySnapshotChunk.ACCEPT)

    def _read(self, taking: "_Taking") -> Iterator[bytes]:
        """The chunks from disk; loading a large state takes longer than CometBFT may be silent."""
        for data in taking.chunks():
            self._stirred()
            yield data


class _Taking:
    """A snapshot whose chunks come in."""

    def __init__(self, folder: Path, meta: Meta, data: bytes) -> None:
        self.meta = meta
        self._data = data
        self._target = folder / snapshot_name(meta.height)
        self._making = self._target.with_name(self._target.name + PART)
        self._senders: dict[int, str] = {}
        shutil.rmtree(self._making, ignore_errors=True)
        self._making.mkdir(parents=True, mode=0o700)

    @property
    def is_whole(self) -> bool:
        return len(self._senders) == len(self.meta.chunks)

    @property
    def senders(self) -> list[str]:
        """Who sent what is here."""
        return sorted(set(self._senders.values()))

    def keep(self, index: int, data: bytes, sender: str) -> bool:
        """Write a chunk; False if it is not the one that the metadata names."""
        if index >= len(self.meta.chunks) or sha256(data) != self.meta.chunks[index]:
            return False
        write_whole(self._making / chunk_name(index), data)
        self._senders[index] = sender
        return True

    def chunks(self) -> Iterator[bytes]:
        for index in range(len(self.meta.chunks)):
            yield (self._making / chunk_name(index)).read_bytes()

    def finish(self) -> None:
        """Leave it as a snapshot like one made here."""
        write_whole(self._making / META, self._data)
        shutil.rmtree(self._target, ignore_errors=True)
        self._making.rename(self._target)

    def forget(self) -> None:
        shutil.rmtree(self._making)


def _describe(snapshots: Snapshots, height: int) -> Snapshot | None:
    """A snapshot in CometBFT's words; None if it went meanwhile, or nobody could take it."""
    try:
        data = snapshots.meta(height)
    except Problem:
        return None
    count = len(read_meta(data).chunks)
    if count > CHUNKS_MAX:
        return None
    return Snapshot(height=height, format=FORMAT, chunks=count, hash=sha256(data), metadata=data)


def _rejected(expected: str) -> Problem:
    return Problem(
        Category.UNVERIFIED, "SnapshotRejected", f"not a sound snapshot: expected {expected}"
    )
