"""
Intents on the ledger: every opening is announced before any share is asked for.

While one announcement waits for its block the next sessions gather, and all go under one root among
random leaves: numbers stay without a gap however many people read at once, and how many they were
does not show (`patient-control.md` §5.4). With it goes the root of what ended sessions showed.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from salus.base import codec, merkle
from salus.base.codec import Struct
from salus.base.errors import Problem, Refusal
from salus.base.hashing import ZERO32
from salus.base.types import Count, Id16, TimeMs
from salus.client.submit import name_of
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PostIntents
from salus.sealed.release import LEAF_BUCKETS, IntentTree

WAITING = "closing-waiting"
CLOSED = "closing"
"""Kinds of the desk's items: what a session showed, before and after its root is on the ledger."""

TRIES = 5
"""Another process of this member may have posted the number: take the next so often."""


class Shown(Struct, frozen=True):
    """One record a session showed."""

    batch: Id16
    record: Id16


class Closing(Struct, frozen=True):
    """What a session showed to its person; its leaf hash stands under the intents' `closings`."""

    ended_ms: TimeMs
    intent: Id16
    salt: Id16
    """Random: a root over short lists could be guessed."""

    shown: list[Shown]


class Closed(Struct, frozen=True):
    """A posted closing and where it stands."""

    closing: bytes
    path: list[bytes]
    place: Count
    """Its position among the leaves, of which there were `leaves`."""

    leaves: Count
    sequence: Count
    """Running number of the intents whose `closings` is the root."""


class Posted(NamedTuple):
    """Where a leaf stands on the ledger."""

    sequence: int
    place: int
    """Position among the intent's leaves."""

    path: list[bytes]


class _Ticket(NamedTuple):
    """One leaf on its way."""

    leaf: bytes
    posted: "Future[Posted]"


class Announcements:
    """Posts the member's intents; any thread."""

    def __init__(self, office: Office, desk: Desk) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk
        self._posting = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Ticket] = []

    def post(self, leaf: bytes) -> Posted:
        """
        Announce a leaf (canonical bytes); returns when its block is final here.

        Raises what the ledger refused, or Problem UnknownOutcome: then a new leaf is needed.
        """
        ticket = _Ticket(leaf, Future())
        with self._lock:
            self._waiting.append(ticket)
        with self._posting:
            # Whoever posted before this one may have taken its leaf along.
            while not ticket.posted.done():
                self._post(self._take())
        return ticket.posted.result()

    def close(self, closing: Closing) -> None:
        """Remember what a session showed; its root is posted with the next intents."""
        self._desk.put(WAITING, closing.intent, codec.encode(closing))

    def post_closings(self) -> None:
        """Post the roots of ended sessions now, without an opening; nothing if there are none."""
        with self._posting:
            if next(self._desk.all(WAITING), None) is not None:
                self._post([])

    def _take(self) -> list[_Ticket]:
        with self._lock:
            taken = self._waiting[: LEAF_BUCKETS[-1]]
            del self._waiting[: LEAF_BUCKETS[-1]]
        return taken

    def _post(self, tickets: Sequence[_Ticket]) -> None:
        try:
            posted = self._announce([ticket.leaf for ticket in tickets])
        except Exception as error:  # whatever it is, each of them waits for it
            for ticket in tickets:
                ticket.posted.set_exception(error)
            if not tickets:
                raise
            return
        for ticket, one in zip(tickets, posted, strict=True):
            ticket.posted.set_result(one)

    def _announce(self, leaves: Sequence[bytes]) -> list[Posted]:
        # A post without an opening has one leaf, and that is random like any padding.
        tree = IntentTree(leaves or [os.urandom(32)], os.urandom)
        waiting = list(self._desk.all(WAITING))
        closings = [closing for _, closing in waiting]
        sequence = self._submit(tree, closings)
        self._desk.change(
            _closed(closings, sequence), deletes=[(WAITING, intent) for intent, _ in waiting]
        )
        return [Posted(sequence, place, tree.path(place)) for place in range(len(leaves))]

    def _submit(self, tree: IntentTree, closings: Sequence[bytes]) -> int:
        root = merkle.root(closings) if closings else ZERO32
        for attempt in range(TRIES):
            sequence = consent.intent_count(self._office.view(), self._office.member) + 1
            intents = PostIntents(
                closings=root, leaves=tree.size, root=tree.root, sequence=sequence
            )
            try:
                self._office.submit([intents])
            except (Problem, Refusal) as error:
                if name_of(error) != "IntentSequenceNotNext" or attempt + 1 == TRIES:
                    raise
            else:
                break
        return sequence


def _closed(closings: Sequence[bytes], sequence: int) -> list[tuple[str, bytes, bytes]]:
    """The desk's items of closings that are now posted, each with its proof."""
    hashes = [merkle.leaf_hash(closing) for closing in closings]
    return [
        (
            CLOSED,
            codec.decode(closing, Closing).intent,
            codec.encode(
                Closed(
                    closing=closing,
                    leaves=len(closings),
                    path=merkle.path_of_hashes(hashes, place),
                    place=place,
                    sequence=sequence,
                )
            ),
        )
        for place, closing in enumerate(closings)
    ]
