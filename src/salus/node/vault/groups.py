"""
Which groups a vault serves to whom, pruned from their containers (`patient-control.md` §5.4).

A reader passes the same checks as at a witness, but for the intent: headers and ciphertext alone
open nothing, and a chart can be fetched while the intent waits for its block. A tag's owner signs
by the control key and sees all its groups; an author sees those it wrote.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.base.limits import VAULT_ANSWER_BYTES_MAX
from salus.base.signing import SignatureRefused
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.node.peers import AGE_MS_MAX
from salus.node.vault.index import Index
from salus.node.vault.messages import (
    FoundBatch,
    GroupsAsk,
    GroupsAsked,
    GroupsFound,
    ReaderAsks,
)
from salus.node.witness import reading
from salus.node.witness.reading import Asking, Denied, Shown, Window
from salus.sealed import acts
from salus.sealed import container as containers
from salus.sealed.container import Container
from salus.sealed.days import DAY_MAX
from salus.sealed.grants import commitment, read_terms

_ALL_DAYS = Window(0, DAY_MAX)
_START = bytes(24)

Fetch = Callable[[bytes], Container | None]
"""Batch id -> the container as this vault holds it, or None if it is lost or damaged."""


class Sight(NamedTuple):
    """What one asker may see."""

    windows: Mapping[bytes, Window]
    """Tag -> days."""

    author: bytes | None = None
    """Only batches of this member."""


def read_ask(asked: GroupsAsked, to: bytes, now_ms: int) -> GroupsAsk:
    """Read a question to member `to`; raises Problem AskMalformed, AskMisdirected, AskTooOld."""
    try:
        ask = codec.decode(asked.ask, GroupsAsk)
    except Malformed as error:
        raise Problem(Category.MALFORMED, "AskMalformed", str(error)) from None
    if ask.to != to:
        raise Problem(
            Category.UNAUTHENTICATED, "AskMisdirected", "the question names another member"
        )
    if abs(now_ms - ask.created_ms) > AGE_MS_MAX:
        raise Problem(
            Category.UNAUTHENTICATED,
            "AskTooOld",
            "the question's time is off by more than a minute; check the clock and ask anew",
        )
    return ask


def sight(view: View, sender: bytes, asked: GroupsAsked, ask: GroupsAsk) -> Sight:
    """
    What the asker may see now.

    Raises Denied (W1, W5 to W12), Problem TagUnknown, AskUnsigned, AskNotYours.
    """
    if ask.author is not None:
        return Sight(dict.fromkeys(ask.author, _ALL_DAYS), author=sender)
    if ask.reader is not None:
        return Sight(_windows_of_reader(view, sender, asked, ask.reader))
    tag = ask.owner or b""
    record = consent.tag(view, tag)
    if record is None:
        raise Problem(Category.NOT_FOUND, "TagUnknown", "no such tag on this member's ledger")
    _check_signed(view, record.control_key, asked)
    return Sight({tag: _ALL_DAYS})


def found(index: Index, seen: Sight, after: bytes | None, fetch: Fetch) -> GroupsFound:
    """The groups in sight behind a cursor, as many as one answer takes."""
    batches: list[FoundBatch] = []
    total_bytes = 0
    cursor = after or _START
    if not seen.windows:
        return GroupsFound(batches=[])
    for place, groups in index.batches_of(sorted(seen.windows), cursor, seen.author):
        keep = {one.number for one in groups if seen.windows[one.tag].holds(one.slot)}
        container = fetch(place[8:]) if keep else None
        if container is not None:
            pruned = containers.prune(container, keep)
            total_bytes += len(pruned)
            if batches and total_bytes > VAULT_ANSWER_BYTES_MAX:
                return GroupsFound(batches=batches, next=cursor)
            batches.append(FoundBatch(batch=place[8:], container=pruned))
        cursor = place
    return GroupsFound(batches=batches)


def _windows_of_reader(
    view: View, sender: bytes, asked: GroupsAsked, claim: ReaderAsks
) -> Mapping[bytes, Window]:
    try:
        terms = read_terms(claim.shown.terms)
    except Malformed:
        raise Denied(1) from None
    if not reading.fitting(terms, claim.shown.openings):
        raise Denied(1)
    if terms.reader.wallet is not None:
        _check_signed(view, terms.reader.wallet, asked)
    elif terms.reader.member != sender:
        raise Denied(11)
    asking = Asking(sender, terms.reader, claim.practitioner, claim.purpose)
    shown = Shown(commitment(claim.shown.terms), terms, tuple(claim.shown.openings))
    reading.check_people(view, asking)
    reading.check_terms(view, terms.grant, reading.subject(view, terms.grant), shown)
    reading.check_asking(view, terms, asking)
    return reading.covered(view, shown)


def _check_signed(view: View, key: bytes, asked: GroupsAsked) -> None:
    try:
        signature = asked.signature or b""
        acts.check_signature(GroupsAsk, key, view.network, asked.ask, signature)
    except SignatureRefused:
        raise Problem(
            Category.FORBIDDEN,
            "AskUnsigned",
            "expected the signature of the tag's control key, or of the wallet that reads",
        ) from None
