"""
One opening of sealed records by a reader (`patient-control.md` §5.4).

    fetch the groups the grant covers → post the intent and wait for its block
    → ask every witness for its shares → join, check, open

No key is released before the intent is final; every witness logs before it answers. What nobody may
fetch is refused before anything is announced. The keys live in this object and end with it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salus.base import codec
from salus.base.errors import Problem
from salus.base.hashing import ZERO32
from salus.base.sealing import SealingKey
from salus.client.unseal import GroupOpened, SlotKeys, open_as_reader
from salus.gateway.announcements import Announcements
from salus.gateway.holders import Fetched, common, fetch
from salus.gateway.office import Office
from salus.gateway.packages import Received
from salus.gateway.witnesses import Announced, Collected, collect
from salus.node.tracing import traces
from salus.node.vault.messages import ReaderAsks
from salus.sealed.container import Container
from salus.sealed.days import WindowSeeds
from salus.sealed.grants import GRANT, Leaf, Reader
from salus.sealed.release import ShownTerms, Want

SESSION_MS = 900_000
"""Fifteen minutes: the longest a session may last."""


@dataclass(frozen=True)
class Reading:
    """Who reads, and why."""

    practitioner: bytes
    """Registration of the person, 16 B."""

    purpose: str
    """v3-ActReason, as TREAT."""


@dataclass(frozen=True)
class Unopened:
    """A group whose shares came and which does not open all the same."""

    batch: bytes
    group: int
    why: Problem


class Session:
    """One grant, opened once by one person."""

    def __init__(
        self,
        office: Office,
        announcements: Announcements,
        received: Received,
        reading: Reading,
    ) -> None:
        """`received`: the grant's package, opened by this member's sealing key."""
        self._office = office
        self._announcements = announcements
        self._received = received
        self._reading = reading
        self.intent = b""
        """Id of the announced intent; empty if nothing was covered, so nothing announced."""

        self.fetched = Fetched()
        self.collected = Collected()
        self.unopened: list[Unopened] = []

    def groups(self) -> Iterator[GroupOpened]:
        """
        Fetch, announce, and open every group the grant covers; nothing is announced for none.

        Raises what most holders or, with too few shares, most witnesses said. A group that fails
        alone is noted in `unopened`, and the others go on.
        """
        package = self._received.package
        shown = ShownTerms(openings=package.openings, terms=package.terms)
        self.fetched = fetch(
            self._office,
            ReaderAsks(
                purpose=self._reading.purpose,
                shown=shown,
                practitioner=self._reading.practitioner,
            ),
        )
        found = _groups(self.fetched.containers)
        if not found:
            return
        wants = [Want(batch=batch, group=number) for batch, number in sorted(found)]
        self.collected = collect(self._office, self._announce(), shown, wants)
        self._check_enough(found)
        keys = SlotKeys(self._seeds())
        for (batch, number), one in found.items():
            shares = self.collected.shares.get((batch, number), {})
            try:
                yield open_as_reader(one, number, shares=shares, keys=keys)
            except Problem as problem:
                self.unopened.append(Unopened(batch, number, problem))

    @traces.spanned("session.announce")
    def _announce(self) -> Announced:
        """Put the intent on the ledger; returns when its block is final here."""
        key = SealingKey.random()
        leaf = Leaf(
            chain=self._office.network,
            intent=os.urandom(16),
            kind=GRANT,
            notice=ZERO32,
            purpose=self._reading.purpose,
            reader=Reader(member=self._office.member),
            salt=os.urandom(16),
            session_key=key.public,
            session_ms=SESSION_MS,
            subject=self._received.grant,
            v=1,
            practitioner=self._reading.practitioner,
        )
        data = codec.encode(leaf)
        self.intent = leaf.intent
        return Announced(leaf, data, self._announcements.post(data), key)

    def _check_enough(self, found: dict[tuple[bytes, int], Container]) -> None:
        """Raise the witnesses' reason if none of the groups has its shares because of them."""
        refusals = list(self.collected.refusals.values())
        lacking = (
            len(self.collected.shares.get(place, {})) < one.head.threshold
            for place, one in found.items()
        )
        if refusals and all(lacking):
            raise common(refusals)

    def _seeds(self) -> dict[tuple[bytes, int], WindowSeeds]:
        windows = {item.tag: item for item in self._received.terms.items}
        return {
            (one.tag, one.generation): WindowSeeds(
                first_day=windows[one.tag].first_day,
                last_day=windows[one.tag].last_day,
                nodes=one.nodes,
                blocks=one.blocks,
            )
            for one in self._received.package.keys
            if one.tag in windows
        }


def _groups(found: Sequence[Container]) -> dict[tuple[bytes, int], Container]:
    """Every group once, from the holder that served most of its records."""
    groups: dict[tuple[bytes, int], Container] = {}
    for one in found:
        for number, group in enumerate(one.groups):
            if group is None:
                continue
            other = groups.setdefault((one.head.batch, number), one)
            if len(one.entries_of(number)) > len(other.entries_of(number)):
                groups[one.head.batch, number] = one
    return groups
