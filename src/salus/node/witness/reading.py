"""
Whether a reader may open what it asks for: the checks W5 to W12, and which tags its grant covers.

Witness and vault decide by these same functions, each on its own copy of the ledger, so that what
a vault serves is never wider than what a witness would open (`patient-control.md` §5.4).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from salus.base.errors import Problem
from salus.base.signing import SignatureRefused
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.state import Grant
from salus.modules.members import queries as members
from salus.sealed.days import Node, in_window
from salus.sealed.grants import Opening, Reader, Terms, check_opening
from salus.sealed.release import REASONS


class Denied(Problem):
    """A no of the table in `sealed.release.REASONS`."""

    def __init__(self, number: int, since_ms: int | None = None) -> None:
        """`number`: of the W code; `since_ms`: block time since when it holds."""
        why = REASONS[number]
        super().__init__(why.category, why.name, why.next, code=f"W{number}")
        self.number = number
        self.since_ms = since_ms


class Asking(NamedTuple):
    """Who reads, through whom, and what for."""

    carrier: bytes
    """The member that asks: the reader itself, or who carries a wallet's requests."""

    reader: Reader
    practitioner: bytes | None
    purpose: str


class Shown(NamedTuple):
    """Terms as a reader shows them."""

    commitment: bytes
    terms: Terms
    openings: tuple[Opening, ...]
    """One an item of the terms, in the same order."""


class Window(NamedTuple):
    """The days of one tag that a grant covers, both inclusive."""

    first_day: int
    last_day: int

    def holds(self, slot: Node) -> bool:
        """Whether slot and window share a day."""
        return in_window(slot, self.first_day, self.last_day)


def check_people(view: View, asking: Asking) -> None:
    """Check that member and practitioner are valid now; raises Denied W5."""
    if not members.active(view, asking.carrier):
        raise Denied(5)
    if asking.reader.member is None:
        return
    person = asking.practitioner
    if person is None or not members.practising(view, person, asking.reader.member, view.time_ms):
        raise Denied(5)


def subject(view: View, grant: bytes) -> Grant:
    """The grant's row; raises Denied W6."""
    row = consent.grant(view, grant)
    if row is None:
        raise Denied(6)
    return row


def check_terms(view: View, grant: bytes, row: Grant, shown: Shown) -> None:
    """
    Check that the terms are this grant's and in force at the view's time.

    Raises Denied W7 (terms, grant key, network or grant differ), W8, W9, W10, in this order.
    """
    terms = shown.terms
    named = (shown.commitment, terms.grant_key, terms.grant, terms.chain)
    if named != (row.commitment, row.grant_key, grant, view.network):
        raise Denied(7)
    if view.time_ms < terms.from_ms:
        raise Denied(8)
    ends_ms = min(terms.until_ms, row.until_ms)
    if view.time_ms >= ends_ms:
        raise Denied(9, ends_ms)
    if row.revoked_ms is not None:
        raise Denied(10, row.revoked_ms)


def check_asking(view: View, terms: Terms, asking: Asking) -> None:
    """
    Check that the terms name reader, person and purpose.

    Raises Denied W11, W12, in this order. Where both persons and roles are listed, both must hold.
    """
    if terms.reader != asking.reader:
        raise Denied(11)
    if asking.practitioner is not None:
        person = members.practitioner(view, asking.practitioner)
        named = not terms.practitioners or asking.practitioner in terms.practitioners
        fits = not terms.roles or (person is not None and person.role in terms.roles)
        if not named or not fits:
            raise Denied(11)
    if asking.purpose not in terms.purposes:
        raise Denied(12)


def covered(view: View, shown: Shown) -> Mapping[bytes, Window]:
    """
    The tags that the terms open now, with their days.

    An item of an old era counts nothing, nor one whose opening the tag's present control key did
    not sign: the answer to both is the same as for a tag never named.
    """
    return {
        item.tag: Window(item.first_day, item.last_day)
        for item, opening in zip(shown.terms.items, shown.openings, strict=False)
        if _is_open(view, shown.commitment, item.tag, item.era, opening)
    }


def fitting(terms: Terms, openings: Sequence[Opening]) -> bool:
    """Whether there is one opening an item, in the same order."""
    return [item.tag for item in terms.items] == [opening.tag for opening in openings]


def _is_open(view: View, committed: bytes, tag: bytes, era: int, opening: Opening) -> bool:
    record = consent.tag(view, tag)
    if record is None or record.era != era:
        return False
    try:
        check_opening(record.control_key, view.network, committed, opening)
    except SignatureRefused:
        return False
    return True
