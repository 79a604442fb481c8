"""
Probes: whether other members hold what they gave receipts for (`ledger.md` §5.9).

A holder is asked for SHA-256(salt ‖ part) of a random item or blob: only who has the container can
say. Who cannot is named until a later probe of the same batch succeeds; who is down is not blamed.
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

import structlog

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.node.peers import Peer
from salus.node.vault.holdings import Holdings
from salus.node.vault.messages import HOLDS, HoldsAsked, HoldsFound
from salus.node.vault.placement import promised
from salus.sealed.container import Container

log = structlog.get_logger()

PROBES = 100
"""Batches tried a round, each at all its holders: who dropped one copy in twenty is found by the
first round in 99 of 100 cases (1 - 0.95^100)."""


NO_ANSWER = frozenset(
    {
        Category.BUSY,
        Category.CONFLICT,
        Category.FORBIDDEN,
        Category.UNAUTHENTICATED,
        Category.UNAVAILABLE,
        Category.UNKNOWN_OUTCOME,
    }
)
"""Of a "no" that comes before the vault is asked: it is down or busy, or took the call for forged,
late or replayed, as it does when the prober's own clock is wrong."""


class Unproven(NamedTuple):
    """A receipt without a container behind it."""

    member: bytes
    """Who signed it."""

    batch: bytes
    since_ms: int
    """Of the first probe that failed; ms since 1970 UTC."""


class _Answer(Enum):
    """What a probe came to."""

    PROVEN = auto()
    WRONG = auto()
    SILENT = auto()
    """It did not take the question: that says nothing about its copy."""


class Probes:
    """One vault's; any thread calls."""

    def __init__(self, holdings: Holdings) -> None:
        """Of what this vault holds itself, since only then it knows the answer."""
        self._holdings = holdings
        self._lock = threading.Lock()
        self._since_ms: dict[tuple[bytes, bytes], int] = {}

    def unproven(self) -> list[Unproven]:
        """Whoever failed and was not proven since; by member and batch."""
        with self._lock:
            return [Unproven(*pair, since_ms) for pair, since_ms in sorted(self._since_ms.items())]

    def round(self, peers: Sequence[Peer], count: int) -> list[tuple[bytes, bytes]]:
        """
        Probe up to `count` random batches, and as many of those that failed before.

        Only members that gave a receipt are asked. Returns (member, batch) of those that failed.
        """
        self._holdings.follow()
        held = [row.batch for row in self._holdings.index.committed() if row.held]
        known = {one.batch for one in self.unproven()}
        again = _sample([batch for batch in held if batch in known], count)
        new = _sample([batch for batch in held if batch not in known], count)
        failed = []
        for batch in (*again, *new):
            for peer, answer in self._ask_all(batch, peers):
                self._note(peer.member, batch, answer)
                if answer is _Answer.WRONG:
                    failed.append((peer.member, batch))
        return failed

    def _ask_all(self, batch: bytes, peers: Iterable[Peer]) -> Iterator[tuple[Peer, _Answer]]:
        container = self._holdings.served(batch)
        asked = promised(self._holdings.ledger.view(), batch)
        for peer in peers:
            if container is not None and peer.member in asked:
                yield peer, _probe(peer, container)

    def _note(self, member: bytes, batch: bytes, answer: _Answer) -> None:
        pair = member, batch
        with self._lock:
            is_known = pair in self._since_ms
            if answer is _Answer.WRONG and not is_known:
                self._since_ms[pair] = self._holdings.clock.now_ms()
                log.warning("vault.unproven", member=member.hex(), batch=batch.hex())
            if answer is _Answer.PROVEN and is_known:
                del self._since_ms[pair]
                log.info("vault.proven", member=member.hex(), batch=batch.hex())


def possession(container: Container, asked: HoldsAsked) -> bytes:
    """What only a holder can tell: SHA-256(salt ‖ part); raises Problem PartUnknown."""
    parts = _parts(container)
    if asked.part >= len(parts):
        raise Problem(
            Category.NOT_FOUND, "PartUnknown", f"the container has {len(parts)} items and blobs"
        )
    told = hashlib.sha256(asked.salt)
    told.update(parts[asked.part])
    return told.digest()


def _parts(container: Container) -> list[bytes | memoryview]:
    """Items, then blobs, as they stand in the file."""
    return [*container.items, *container.blobs.values()]


def _probe(peer: Peer, container: Container) -> _Answer:
    part = int.from_bytes(os.urandom(8), "big") % len(_parts(container))
    asked = HoldsAsked(batch=container.head.batch, part=part, salt=os.urandom(32))
    expected = possession(container, asked)
    try:
        answer = codec.decode(peer.call(HOLDS, codec.encode(asked)), HoldsFound)
    except Malformed:
        return _Answer.WRONG
    except Problem as problem:
        return _Answer.SILENT if problem.category in NO_ANSWER else _Answer.WRONG
    return _Answer.PROVEN if answer.digest == expected else _Answer.WRONG


def _sample(batches: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Up to `count` different ones, drawn at random."""
    left = list(batches)
    for _ in range(min(count, len(left))):
        yield left.pop(int.from_bytes(os.urandom(8), "big") % len(left))
