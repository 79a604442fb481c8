"""
A copy of the ledger made from a snapshot: the state and the log's right edge, no block before.

All is checked against the metadata, whose app hash the caller trusts, before the copy takes its
place. A restore that stops half-way leaves `restoring` behind, and the next one begins anew.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from salus.base import codec
from salus.base.errors import invariant
from salus.base.hashing import sha256
from salus.machine import genesis as genesis_file
from salus.machine.block import seal_genesis
from salus.machine.execute import Machine
from salus.node.history import FILE, Start, write_start
from salus.node.ledger import GENESIS_ENTRY, StoreMeta
from salus.node.log_files import LogFiles
from salus.node.ports import REAL_DISK
from salus.node.snapshots import Meta, malformed, read_rows
from salus.state.proof import path_of
from salus.state.store import StateStore

MAKING = "restoring"
PLACES = ("journal", "log", "state", FILE)
"""What a ledger's folder holds of it."""


def is_empty(folder: Path) -> bool:
    """Whether no ledger, or a half restored one, is in the folder."""
    return (folder / MAKING).exists() or not any((folder / name).exists() for name in PLACES)


def forget(folder: Path) -> None:
    """Remove the ledger, and what a restore left half-way; snapshots and all else stay."""
    for name in (*PLACES, MAKING):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / FILE).unlink(missing_ok=True)


def restore(
    folder: Path, machine: Machine, genesis: bytes, meta: Meta, chunks: Iterable[bytes]
) -> None:
    """
    Make the copy in an empty folder; `Ledger.open` then goes on from the snapshot's height.

    `chunks`: in order. Raises Problem SnapshotMalformed: a chunk's hash, form or order, or a state
    that is not the metadata's.
    """
    invariant(is_empty(folder), "a ledger is in this folder: a restore would lose it")
    making = folder / MAKING
    forget(folder)
    making.mkdir(parents=True, mode=0o700)
    with closing(LogFiles.open(making / "log")) as log_files:
        log_files.begin_with(meta.log)
        log_files.sync()
    with closing(StateStore.open(making / "state")) as store:
        _fill(store, meta, _checked(meta, chunks), _genesis_entry(store, machine, genesis))
    write_start(making, Start(height=meta.height, log_size=meta.log_size))
    for path in sorted(making.iterdir()):
        path.rename(folder / path.name)
    REAL_DISK.sync_folder(folder)
    making.rmdir()


def _checked(meta: Meta, chunks: Iterable[bytes]) -> Iterator[bytes]:
    count = 0
    for data in chunks:
        if count == len(meta.chunks) or sha256(data) != meta.chunks[count]:
            raise malformed("the chunks that its metadata names")
        count += 1
        yield data
    if count != len(meta.chunks):
        raise malformed(f"{len(meta.chunks)} chunks")


def _fill(store: StateStore, meta: Meta, chunks: Iterable[bytes], genesis_entry: bytes) -> None:
    """Push a chunk a height, up to the snapshot's own: so memory holds one chunk's rows."""
    at_once = -(-len(meta.chunks) // (meta.height + 1))
    height = meta.height - -(-len(meta.chunks) // at_once)
    note = StoreMeta(
        app=meta.app_hash, log_root=meta.log.root, log_size=meta.log_size, time_ms=meta.time_ms
    )
    extras = [("meta", GENESIS_ENTRY, genesis_entry)]
    after = b""
    source = iter(chunks)
    while part := list(islice(source, at_once)):
        rows: dict[bytes, bytes | None] = {}
        for data in part:
            for key, value in read_rows(data, after):
                rows[key] = value
                after = path_of(key)
        height += 1
        store.push(height, store.stage(rows), extras, codec.encode(note))
    if store.root != meta.state:
        raise malformed("rows that lead to its state root")


def _genesis_entry(store: StateStore, machine: Machine, genesis: bytes) -> bytes:
    """The log's first entry, worked out from the genesis file as at any start."""
    rows = genesis_file.first_rows(machine, genesis)
    root = store.stage(rows).root
    time_ms = genesis_file.read_genesis(genesis).time_ms
    return seal_genesis(genesis_file.network_id(genesis), root, time_ms).entries[0]
