"""
The witnesses' shares for one session: asked at once, opened, kept by group and seat.

No witness can break an opening: what does not decode, open or fit counts as its refusal, and what
is no right share is found by its digest when the shares are joined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from salus.base.errors import Category, Problem
from salus.base.limits import RELEASE_WANTS_MAX
from salus.base.sealing import SealingKey, SealRefused
from salus.gateway.announcements import Posted
from salus.gateway.office import Office
from salus.modules.consent import queries as consent
from salus.node.tracing import traces
from salus.node.witness.messages import RELEASE, ReleaseReply
from salus.sealed.grants import Leaf
from salus.sealed.release import (
    RELEASED,
    ReleaseRequest,
    ShownTerms,
    Want,
    open_shares,
    release_place,
)

Place = tuple[bytes, int]
"""(batch, group)."""


@dataclass(frozen=True)
class Announced:
    """An intent that stands on the ledger, and the session's key."""

    leaf: Leaf
    data: bytes
    """The leaf's canonical bytes."""

    posted: Posted
    key: SealingKey


@dataclass
class Collected:
    """What the witnesses gave."""

    shares: dict[Place, dict[int, bytes]] = field(default_factory=dict)
    """By group, then seat number."""

    refusals: dict[bytes, Problem] = field(default_factory=dict)
    """Witnesses that gave nothing, and why."""


@traces.spanned("session.collect")
def collect(
    office: Office, announced: Announced, shown: ShownTerms, wants: Sequence[Want]
) -> Collected:
    """Ask every witness for its shares of the groups wanted; `wants` ascend."""
    seats = consent.seats(office.view())
    holders = {} if seats is None else {holder.member: holder.x for holder in seats.holders}
    collected = Collected()
    for at in range(0, len(wants), RELEASE_WANTS_MAX):
        part = list(wants[at : at + RELEASE_WANTS_MAX])
        request = _request(office.member, announced, shown, part)
        asked = [member for member in holders if member not in collected.refusals]
        for member, answer in office.ask_all(asked, RELEASE, request, ReleaseReply).items():
            try:
                _take(office.network, announced, part, holders[member], answer, collected.shares)
            except Problem as problem:
                collected.refusals[member] = problem
    return collected


def _request(
    member: bytes, announced: Announced, shown: ShownTerms, wants: list[Want]
) -> ReleaseRequest:
    posted = announced.posted
    return ReleaseRequest(
        index=posted.place,
        leaf=announced.data,
        member=member,
        path=posted.path,
        sequence=posted.sequence,
        wants=wants,
        shown=shown,
    )


def _take(
    network: bytes,
    announced: Announced,
    wants: Sequence[Want],
    x: int,
    answer: ReleaseReply | Problem,
    shares: dict[Place, dict[int, bytes]],
) -> None:
    """Open one witness's answer; raises Problem: its refusal, or what is wrong with it."""
    if isinstance(answer, Problem):
        raise answer
    if answer.answer is None:
        raise _refused(answer)
    place = release_place(announced.leaf.intent, x, wants)
    try:
        opened = open_shares(announced.key, network, place, answer.answer.shares, len(wants))
    except SealRefused as error:
        raise Problem(Category.UNVERIFIED, "SharesAltered", str(error)) from None
    for want, share in zip(wants, opened, strict=True):
        if share.answer == RELEASED:
            shares.setdefault((want.batch, want.group), {})[x] = share.share


def _refused(reply: ReleaseReply) -> Problem:
    refusal = reply.refusal
    if refusal is None:
        return Problem(Category.UNVERIFIED, "AnswerMalformed", "a witness answered nothing")
    facts: Mapping[str, object] = {"code": refusal.code, "since_ms": refusal.since_ms}
    return Problem(
        Category.FORBIDDEN,
        refusal.name,
        f"{refusal.code} {refusal.name}: {refusal.next}",
        **facts,
    )
