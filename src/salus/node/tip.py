"""
What a ledger's copy stands at: its newest block, a block on its way, the state as a whole.

Beside them the way to the state store, which may be made anew when it is damaged.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from salus.base.codec import Struct
from salus.base.merkle import Frontier
from salus.base.types import Count, Hash32, Height, TimeMs
from salus.machine.block import Block, Outcome, SealedBlock
from salus.node.ports import end_process
from salus.state.store import Staged, StateStore, StoreDamaged

log = structlog.get_logger()


class StoreMeta(Struct, frozen=True):
    """What the state store notes with its base, so that a start can compare."""

    app: Hash32
    log_root: Hash32
    log_size: Count
    time_ms: TimeMs


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest executed and synced block."""

    height: Height
    time_ms: TimeMs
    log_size: int
    log_root: bytes
    state_root: bytes
    app_hash: bytes


@dataclass(slots=True)
class Executed:
    """A block's outcome with its roots; nothing of it is on disk yet."""

    block: Block
    outcome: Outcome
    sealed: SealedBlock
    staged: Staged

    @property
    def first_index(self) -> int:
        """Log index of the block's first entry; meaningless for a block without entries."""
        return self.sealed.log_size - len(self.sealed.entries)


@dataclass(frozen=True, slots=True)
class StateCopy:
    """The whole state at one height; later blocks do not change it."""

    tip: Tip
    frontier: Frontier
    """The log's right edge at that height."""

    rows: Iterator[tuple[bytes, bytes]]
    """State key, value; by path. To be read to its end."""


def tip_after(height: Height, time_ms: TimeMs, sealed: SealedBlock) -> Tip:
    """What a ledger stands at after a block."""
    return Tip(
        height, time_ms, sealed.log_size, sealed.log_root, sealed.state_root, sealed.app_hash
    )


def meta_of(tip: Tip) -> StoreMeta:
    """What the store notes with that height."""
    return StoreMeta(
        app=tip.app_hash, log_root=tip.log_root, log_size=tip.log_size, time_ms=tip.time_ms
    )


def open_store(folder: Path) -> StateStore:
    """
    Open the state store; a damaged one is set aside and made anew from the journal.

    A disk that fails under it ends the process, as one that fails under the journal does.
    """
    try:
        return StateStore.open(folder, die=end_process)
    except StoreDamaged as damage:
        aside = folder.with_name(f"{folder.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        log.error("ledger.store_damaged", reason=str(damage))  # noqa: TRY400 (the sentence is the message)
        return StateStore.open(folder, die=end_process)
