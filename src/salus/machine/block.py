"""
Blocks, receipts, log entries and the app hash (`ledger.md` §3.4).

    app_hash = SHA-256(D("app") ‖ log_size u64 ‖ log_root ‖ state_root)

An empty block without evidence or due changes adds no entry, so the hash stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from salus.base import codec, merkle
from salus.base.codec import Struct
from salus.base.entry import BlockEntry, GenesisEntry
from salus.base.hashing import domain_hash, u64
from salus.base.merkle import Frontier
from salus.base.types import Count, Height, MemberId, Text64, TimeMs


class Evidence(Struct, frozen=True):
    """A consensus engine's word that a member misbehaved; the embedded engine has none."""

    member: MemberId
    height: Height
    kind: Text64


class Block(Struct, frozen=True):
    """What an engine orders: the machine's whole input."""

    evidence: list[Evidence]
    height: Height
    time_ms: TimeMs
    txs: list[bytes]
    """Envelopes, in order."""


class Receipt(Struct, frozen=True):
    """What happened to a transaction."""

    code: Count
    """0 done, else module × 1000 + the refusal's number."""

    events: list[bytes]
    """Canonical events; of a refused one the single `machine.refused`."""


@dataclass(slots=True)
class Outcome:
    """What executing a block gave, before the state tree's root is known."""

    height: int
    time_ms: int
    txs: list[bytes]
    """The envelopes executed; an engine that drops a faulty one finds fewer here."""

    ids: list[bytes]
    """Transaction ids, 32 B each; of an unreadable envelope its hash."""

    receipts: list[Receipt]
    entries: list[bytes]
    """Canonical TransactionEntry bytes, one a transaction."""

    events: list[bytes]
    """The block's own events."""

    has_evidence: bool
    """Evidence leaves a block entry even if it is of nobody known, so tells nothing."""

    changes: dict[bytes, bytes | None]
    """State key -> canonical row, None for a row taken away."""


@dataclass(slots=True)
class SealedBlock:
    """A block with the state root in place: what is journalled, logged and signed."""

    entries: list[bytes]
    leaf_hashes: list[bytes]
    frontier: Frontier
    """The log after the block."""

    log_root: bytes
    state_root: bytes
    app_hash: bytes

    @property
    def log_size(self) -> int:
        """Entries in the log after the block."""
        return self.frontier.size


def seal(outcome: Outcome, state_root: bytes, frontier: Frontier) -> SealedBlock:
    """Add the block's entry, grow the log (a copy of `frontier`), compute the app hash."""
    entries = list(outcome.entries)
    if outcome.entries or outcome.events or outcome.has_evidence:
        entry = BlockEntry(
            events=merkle.root(outcome.events),
            height=outcome.height,
            state=state_root,
            time_ms=outcome.time_ms,
            transactions=len(outcome.entries),
        )
        entries.append(codec.encode(entry))
    return _grow(entries, state_root, frontier.copy())


def seal_genesis(network: bytes, state_root: bytes, time_ms: int) -> SealedBlock:
    """The log of one entry that every ledger starts with."""
    entry = GenesisEntry(network=network, state=state_root, time_ms=time_ms)
    return _grow([codec.encode(entry)], state_root, Frontier())


def app_hash(log_size: int, log_root: bytes, state_root: bytes) -> bytes:
    """SHA-256(D("app") ‖ log_size u64 ‖ log_root ‖ state_root); 32 B."""
    return domain_hash("app", u64(log_size), log_root, state_root)


def _grow(entries: Sequence[bytes], state_root: bytes, frontier: Frontier) -> SealedBlock:
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    for leaf in hashes:
        frontier.append(leaf)
    root = frontier.root
    return SealedBlock(
        entries=list(entries),
        leaf_hashes=hashes,
        frontier=frontier,
        log_root=root,
        state_root=state_root,
        app_hash=app_hash(frontier.size, root, state_root),
    )
