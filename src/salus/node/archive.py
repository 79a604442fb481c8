"""
What a member asks others for when it lost its disk: a snapshot they agree on, and its chunks.

Blocks themselves come by `replica.py`, which executes each. A snapshot's app hash, height and time
are believed if f + 1 of 3f + 1 members state them: one of those is honest. Chunks may come from
anybody: each is held to its hash, a wrong one ends the sender's part and names it. What was fetched
stays on disk, so a broken fetch goes on where it stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import sha256
from salus.base.types import U32, Hash32, Height, TimeMs
from salus.node.ledger import Ledger
from salus.node.peers import Handler, Peer
from salus.node.small_file import write_whole
from salus.node.snapshots import (
    META,
    PART,
    Meta,
    Snapshots,
    chunk_name,
    read_meta,
    snapshot_name,
)

log = structlog.get_logger()

SNAPSHOTS = "archive/snapshots"
CHUNK = "archive/chunk"
STATED = "archive/stated"
TIP = "archive/tip"
"""Routes of every member's door."""

T = TypeVar("T")


class Offered(Struct, frozen=True):
    """Metadata of the snapshots a member has, newest first."""

    metas: list[bytes]


class ChunkAsked(Struct, frozen=True):
    """A chunk of a snapshot."""

    height: Height
    index: U32


class StatedAsked(Struct, frozen=True):
    """A block a member is asked about."""

    height: Height


class Stated(Struct, frozen=True):
    """What a member's own copy says of a block."""

    app: Hash32
    height: Height
    time_ms: TimeMs


def routes(ledger: Ledger, snapshots: Snapshots) -> dict[str, Handler]:
    """The answers of a member that has the data."""

    def offer(_sender: bytes, _body: bytes) -> bytes:
        return codec.encode(Offered(metas=[snapshots.meta(one) for one in snapshots.heights()]))

    def chunk(_sender: bytes, body: bytes) -> bytes:
        asked = codec.decode(body, ChunkAsked)
        return snapshots.chunk(asked.height, asked.index)

    def state(_sender: bytes, body: bytes) -> bytes:
        record = ledger.record(codec.decode(body, StatedAsked).height)
        return codec.encode(Stated(app=record.app, height=record.height, time_ms=record.time_ms))

    def tip(_sender: bytes, _body: bytes) -> bytes:
        tip = ledger.tip
        return codec.encode(Stated(app=tip.app_hash, height=tip.height, time_ms=tip.time_ms))

    return {SNAPSHOTS: offer, CHUNK: chunk, STATED: state, TIP: tip}


@dataclass
class Offer:
    """A snapshot that enough members state."""

    meta: Meta
    data: bytes
    """The metadata's bytes."""

    senders: list[Peer] = field(default_factory=list)
    """Who has it."""


class Archive:
    """The other members, as a member that lost its disk sees them."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        """`peers`: all other members of the network."""
        self._peers = list(peers)
        self.needed = len(peers) // 3 + 1
        """f + 1 of the 3f + 1 members, of whom this one is one."""

    def newest(self) -> Offer:
        """
        The newest snapshot whose app hash, height and time enough members state.

        Raises Problem NoSnapshot: nobody offers one, or too few members stand behind it.
        """
        offers = sorted(self._offers(), key=lambda one: -one.meta.height)
        for offer in offers:
            if self.stand_behind(offer.meta):
                return offer
        raise Problem(
            Category.UNAVAILABLE,
            "NoSnapshot",
            f"expected a snapshot that {self.needed} members state alike, found {len(offers)} "
            "offered; wait for the next one, or go without --fast (in a network: `salus network "
            "rejoin NAME`): all blocks are then fetched",
        )

    def chunks(self, offer: Offer, folder: Path) -> Iterator[bytes]:
        """
        The chunks in order, from `folder` if they are there, else fetched and kept.

        Whole at its end, the snapshot stands in `folder` like one made here. Raises Problem
        NoSnapshot: no sender is left.
        """
        target = folder / snapshot_name(offer.meta.height)
        making = target.with_name(target.name + PART)
        making.mkdir(parents=True, exist_ok=True, mode=0o700)
        for index, expected in enumerate(offer.meta.chunks):
            path = making / chunk_name(index)
            data = path.read_bytes() if path.exists() else b""
            if sha256(data) != expected:
                data = self._fetch(offer, index, expected)
                write_whole(path, data)
            yield data
        write_whole(making / META, offer.data)
        if not target.exists():
            making.rename(target)

    def tips(self) -> dict[bytes, Stated]:
        """How far the members are, by id, those that answer."""
        found = {one.member: ask(one, TIP, b"", _read_stated) for one in self._peers}
        return {member: tip for member, tip in found.items() if tip is not None}

    def _offers(self) -> list[Offer]:
        offers: dict[bytes, Offer] = {}
        for peer in self._peers:
            for data, meta in (ask(peer, SNAPSHOTS, b"", _read_offered) or {}).items():
                offers.setdefault(data, Offer(meta, data)).senders.append(peer)
        return list(offers.values())

    def stand_behind(self, meta: Meta) -> bool:
        """Whether enough members' own copies say of that block what the metadata says."""
        expected = Stated(app=meta.app_hash, height=meta.height, time_ms=meta.time_ms)
        body = codec.encode(StatedAsked(height=meta.height))
        found = [ask(one, STATED, body, _read_stated) for one in self._peers]
        return found.count(expected) >= self.needed

    def offering(self, data: bytes) -> list[bytes]:
        """The members, by id, that offer a snapshot of exactly this metadata."""
        return [
            one.member
            for one in self._peers
            if data in (ask(one, SNAPSHOTS, b"", _read_metas) or [])
        ]

    def _fetch(self, offer: Offer, index: int, expected: bytes) -> bytes:
        body = codec.encode(ChunkAsked(height=offer.meta.height, index=index))
        for peer in list(offer.senders):
            data = ask(peer, CHUNK, body, bytes)
            if data is not None and sha256(data) == expected:
                return data
            offer.senders.remove(peer)
            log.error("archive.sender_dropped", member=peer.member.hex(), sequence=index)
        raise Problem(
            Category.UNAVAILABLE,
            "NoSnapshot",
            f"no member is left that gave sound chunks of block {offer.meta.height}; start again: "
            "what was fetched is kept",
        )


def ask(peer: Peer, route: str, body: bytes, read: Callable[[bytes], T]) -> T | None:
    """A member's answer, or None if there is none to be used; the log says why."""
    try:
        return read(peer.call(route, body))
    except (Problem, codec.Malformed) as error:
        reason = error.name if isinstance(error, Problem) else "AnswerMalformed"
        log.warning("archive.no_answer", member=peer.member.hex(), reason=reason)
        return None


def _read_metas(data: bytes) -> list[bytes]:
    return codec.decode(data, Offered).metas


def _read_offered(data: bytes) -> dict[bytes, Meta]:
    return {one: read_meta(one) for one in _read_metas(data)}


def _read_stated(data: bytes) -> Stated:
    return codec.decode(data, Stated)
