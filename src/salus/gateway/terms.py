"""What a patient chooses, made into terms; what cannot be terms is refused before anything is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.types import HOUR_MS
from salus.client.wallet import Compartment, CompartmentKeys, Wallet
from salus.gateway.office import Office
from salus.gateway.residual import labels_rule
from salus.sealed.days import DAY_MAX
from salus.sealed.grants import Item, Reader, Terms, read_terms

SESSIONS_PER_DAY = 50

HOUSE = bytes(16)
"""Handle that stands for the member's own directory data."""


@dataclass(frozen=True)
class GrantAsked:
    """What the patient chooses."""

    patient: bytes
    """Handle; `HOUSE` for the member's own directory data."""

    to: bytes
    """The reading member."""

    compartments: Sequence[int]
    """0-15; for `HOUSE` they say which labels may be shown."""

    purposes: Sequence[str]
    """v3-ActReason, as TREAT."""

    until_ms: int
    """Rounded up to the hour."""

    first_day: int = 0
    last_day: int = DAY_MAX
    practitioners: Sequence[bytes] = ()
    """Empty: anybody of the reading member whose registration is valid."""


def checked(compartments: Sequence[int]) -> list[int]:
    """Compartments ascending, each once; raises Problem NothingGranted, CompartmentUnknown."""
    if not compartments:
        raise Problem(Category.INVALID, "NothingGranted", "name at least one compartment")
    if not set(compartments) <= set(Compartment):
        raise Problem(
            Category.INVALID, "CompartmentUnknown", f"expected numbers from 0 to {max(Compartment)}"
        )
    return sorted(set(compartments))


def terms_of(
    office: Office, asked: GrantAsked, keys: Sequence[CompartmentKeys], wallet: Wallet
) -> Terms:
    """
    Write the terms of a new grant over these tags, from now on.

    Raises Problem UntilNotInFuture, WindowWrong, TermsInvalid.
    """
    now_ms = office.view().time_ms
    if asked.until_ms <= max(now_ms, office.now_ms()):
        raise Problem(Category.INVALID, "UntilNotInFuture", "expected an end later than now")
    if not 0 <= asked.first_day <= asked.last_day <= DAY_MAX:
        raise Problem(Category.INVALID, "WindowWrong", "expected a first day at or before the last")
    grant = os.urandom(16)
    terms = Terms(
        chain=office.network,
        consent=bytes(32),
        from_ms=now_ms,
        grant=grant,
        grant_key=wallet.grant_key(grant).public,
        items=_items(office, asked, keys),
        mode="view",
        practitioners=sorted(set(asked.practitioners)),
        purposes=sorted(set(asked.purposes)),
        reader=Reader(member=asked.to),
        residual=labels_rule(asked.compartments),
        roles=[],
        salt=os.urandom(16),
        sessions_per_day=SESSIONS_PER_DAY,
        until_ms=-(-asked.until_ms // HOUR_MS) * HOUR_MS,
        v=1,
    )
    try:
        return read_terms(codec.encode(terms))
    except codec.Malformed as error:
        raise Problem(Category.INVALID, "TermsInvalid", str(error)) from None


def _items(office: Office, asked: GrantAsked, keys: Sequence[CompartmentKeys]) -> list[Item]:
    return [
        Item(era=row.era, first_day=asked.first_day, last_day=asked.last_day, tag=one.tag)
        for one in sorted(keys, key=lambda one: one.tag)
        if (row := office.tag(one.tag)) is not None
    ]
