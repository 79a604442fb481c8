"""
One opening of sealed records by a reader: intent, shares, groups (`patient-control.md` §5.4).

    post the intent and wait for its block → fetch the groups the grant covers
    → ask every witness for its shares → join, check, open

No key is released before the intent is final; every witness logs before it answers.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.hashing import ZERO32
from salus.base.sealing import SealingKey, SealRefused
from salus.client.unseal import GroupOpened, SlotKeys, open_as_reader
from salus.gateway.office import Office
from salus.gateway.packages import Received
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PostIntents
from salus.modules.records import queries as records
from salus.node.vault.messages import GROUPS, GroupsAsk, GroupsAsked, GroupsFound, ReaderAsks
from salus.node.witness.messages import RELEASE, ReleaseReply
from salus.sealed import container as containers
from salus.sealed.container import Container
from salus.sealed.days import WindowSeeds
from salus.sealed.grants import GRANT, Leaf, Reader
from salus.sealed.release import (
    RELEASED,
    IntentTree,
    ReleaseRequest,
    ShownTerms,
    Want,
    open_shares,
    release_place,
)

SESSION_MS = 900_000
"""Fifteen minutes: the longest a session may last."""

WANTS_MAX = 4_000
"""Groups asked for in one call."""


@dataclass(frozen=True)
class Reading:
    """Who reads, and why."""

    practitioner: bytes
    """Registration of the person, 16 B."""

    purpose: str
    """v3-ActReason, as TREAT."""


@dataclass(frozen=True)
class _Intent:
    leaf: Leaf
    data: bytes
    tree: IntentTree
    sequence: int
    key: SealingKey


class Session:
    """One grant, opened once by one person."""

    def __init__(self, office: Office, received: Received, reading: Reading) -> None:
        """`received`: the grant's package, opened by this member's sealing key."""
        self._office = office
        self._received = received
        self._reading = reading
        self.refusals: dict[bytes, Problem] = {}
        """Witnesses that gave nothing, and why."""

    def groups(self) -> Iterator[GroupOpened]:
        """
        Announce, fetch, and open every group the grant covers.

        Raises the first witness's Problem when too few gave their shares.
        """
        intent = self._announce()
        found = list(self._fetch())
        wants = [Want(batch=one.head.batch, group=number) for one, number in _wanted(found)]
        shares = self._collect(intent, sorted(wants))
        keys = SlotKeys(self._seeds())
        for one, number in _wanted(found):
            own = shares.get((one.head.batch, number), {})
            if len(own) < one.head.threshold and self.refusals:
                raise next(iter(self.refusals.values()))
            yield open_as_reader(one, number, shares=own, keys=keys)

    def _announce(self) -> _Intent:
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
        tree = IntentTree([data], os.urandom)
        sequence = consent.intent_count(self._office.view(), self._office.member) + 1
        self._office.submit(
            [PostIntents(closings=ZERO32, leaves=tree.size, root=tree.root, sequence=sequence)]
        )
        return _Intent(leaf, data, tree, sequence, key)

    def _fetch(self) -> Iterator[Container]:
        """The covered groups of every batch, each re-rooted and held to the ledger's root."""
        after: bytes | None = None
        while True:
            found = self._next_groups(after)
            for batch in found.batches:
                one = containers.parse(batch.container)
                self._check_root(one)
                yield one
            if found.next is None:
                return
            after = found.next

    def _next_groups(self, after: bytes | None) -> GroupsFound:
        """One page, from the first member that serves it; cursors mean the same at every one."""
        last = Problem(Category.UNAVAILABLE, "NobodyAnswered", "no member serves these groups")
        for member in self._office.members():
            ask = GroupsAsk(
                created_ms=self._office.now_ms(),
                to=member,
                after=after,
                reader=ReaderAsks(
                    purpose=self._reading.purpose,
                    shown=self._shown(),
                    practitioner=self._reading.practitioner,
                ),
            )
            body = codec.encode(GroupsAsked(ask=codec.encode(ask)))
            try:
                return codec.decode(self._office.ask(member, GROUPS, body), GroupsFound)
            except Problem as problem:
                last = problem
        raise last

    def _check_root(self, one: Container) -> None:
        row = records.batch(self._office.view(), one.head.batch)
        if row is None or row.root != one.root:
            raise Problem(
                Category.UNVERIFIED,
                "BatchDiffers",
                "a holder served a batch that is not the committed one; ask another holder",
            )

    def _collect(
        self, intent: _Intent, wants: Sequence[Want]
    ) -> Mapping[tuple[bytes, int], dict[int, bytes]]:
        """Shares by (batch, group) and seat."""
        shares: dict[tuple[bytes, int], dict[int, bytes]] = {}
        seats = consent.seats(self._office.view())
        holders = {} if seats is None else {holder.member: holder.x for holder in seats.holders}
        for at in range(0, len(wants), WANTS_MAX):
            part = list(wants[at : at + WANTS_MAX])
            body = codec.encode(self._request(intent, part))
            for member, answer in self._office.ask_all(list(holders), RELEASE, body).items():
                if isinstance(answer, Problem):
                    self.refusals[member] = answer
                else:
                    self._take(intent, part, holders[member], member, answer, shares)
        return shares

    def _take(
        self,
        intent: _Intent,
        wants: list[Want],
        x: int,
        member: bytes,
        answer: bytes,
        shares: dict[tuple[bytes, int], dict[int, bytes]],
    ) -> None:
        result = codec.decode(answer, ReleaseReply)
        if result.answer is None:
            self.refusals[member] = _refused(result)
            return
        place = release_place(intent.leaf.intent, x, wants)
        try:
            opened = open_shares(
                intent.key, self._office.network, place, result.answer.shares, len(wants)
            )
        except SealRefused as error:
            self.refusals[member] = Problem(Category.UNVERIFIED, "SharesAltered", str(error))
            return
        for want, share in zip(wants, opened, strict=True):
            if share.answer == RELEASED:
                shares.setdefault((want.batch, want.group), {})[x] = share.share

    def _request(self, intent: _Intent, wants: list[Want]) -> ReleaseRequest:
        return ReleaseRequest(
            index=0,
            leaf=intent.data,
            member=self._office.member,
            path=intent.tree.path(0),
            sequence=intent.sequence,
            wants=wants,
            shown=self._shown(),
        )

    def _shown(self) -> ShownTerms:
        package = self._received.package
        return ShownTerms(openings=package.openings, terms=package.terms)

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
        }


def _wanted(found: Sequence[Container]) -> Iterator[tuple[Container, int]]:
    for one in found:
        for number, group in enumerate(one.groups):
            if group is not None:
                yield one, number


def _refused(result: ReleaseReply) -> Problem:
    refusal = result.refusal
    if refusal is None:
        return Problem(Category.UNAVAILABLE, "AnswerMalformed", "a witness answered nothing")
    return Problem(
        Category.FORBIDDEN,
        refusal.name,
        f"{refusal.code} {refusal.name}: {refusal.next}",
        code=refusal.code,
        since_ms=refusal.since_ms,
    )
