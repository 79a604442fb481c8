"""How consent decides; pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from salus.base import signing
from salus.base.hashing import ZERO32
from salus.base.types import DAY_MS, HOUR_MS
from salus.modules.consent.state import Grant, Holder, TagRecord
from salus.sealed.acts import UpdateTagAct
from salus.sealed.release import LEAF_BUCKETS

GRANT_MS_MAX = 3_652 * DAY_MS
"""Ten years (corrections 21)."""

SEATS_FORMER_MS = HOUR_MS
"""How long batches may name the version before the current one, after a change of seats."""

SEATS_MAX = 16
"""Seats of one version (`patient-control.md` §3.4)."""

INTENTS_KEPT = 16_384
"""Intents of one member that stay in the state; older ones stand in the log alone."""

SHEET_STEP_DAYS = 64
"""Sheets begin at multiples of it, so that a tag's sheets tell little of when they were made."""

GrantStatus = Literal["active", "ended", "revoked", "unknown"]


def threshold(seats: int) -> int:
    """Shares that join, floor(2n / 3) + 1: the block quorum, so that both fail together."""
    return 2 * seats // 3 + 1


def are_seats(holders: Sequence[Holder]) -> bool:
    """Whether 1-16 seats ascend by number and no member holds two."""
    numbers = [holder.x for holder in holders]
    members = {holder.member for holder in holders}
    ascending = numbers == sorted(set(numbers))
    return ascending and len(members) == len(holders) and 0 < len(holders) <= SEATS_MAX


def is_key(key: bytes) -> bool:
    """Whether 33 B are an Ed25519 key fit for the ledger."""
    try:
        signing.check_point(key)
    except signing.KeyRefused:
        return False
    return True


def stays_or_next(current: int, found: int) -> bool:
    """Whether a counter stays or goes up by one."""
    return found in (current, current + 1)


def is_sheet(record: TagRecord, act: UpdateTagAct) -> bool:
    """Whether the act's sheet fits: none, or a proper first day and not an old generation's."""
    if act.sheet_root == ZERO32:
        return act.first_day == 0
    is_old = act.generation != record.generation and act.sheet_root == record.sheet_root
    return not is_old and act.first_day % SHEET_STEP_DAYS == 0


def first_record(control_key: bytes) -> TagRecord:
    """The record of a tag just registered: all counters 0, no sheet, open (corrections 25)."""
    return TagRecord(
        control_key=control_key,
        era=0,
        first_day=0,
        generation=0,
        open=True,
        sequence=0,
        sheet_root=ZERO32,
    )


def record_of(act: UpdateTagAct) -> TagRecord:
    """The record an update carries."""
    return TagRecord(
        control_key=act.control_key,
        era=act.era,
        first_day=act.first_day,
        generation=act.generation,
        open=act.open,
        sequence=act.sequence,
        sheet_root=act.sheet_root,
    )


def stopped(record: TagRecord) -> TagRecord:
    """The record after a stop: the next era, one act more."""
    return msgspec.structs.replace(record, era=record.era + 1, sequence=record.sequence + 1)


def revoked(grant: Grant, at_ms: int) -> Grant:
    """The grant, ended at this block time."""
    return msgspec.structs.replace(grant, revoked_ms=at_ms)


def is_bucket(leaves: int) -> bool:
    """Whether an intent may have this many leaves."""
    return leaves in LEAF_BUCKETS


def grant_status(grant: Grant | None, at_ms: int) -> GrantStatus:
    """What a grant is at a block time; an end that came is told before a revocation (W9, W10)."""
    if grant is None:
        return "unknown"
    if at_ms >= grant.until_ms:
        return "ended"
    if grant.revoked_ms is not None and at_ms >= grant.revoked_ms:
        return "revoked"
    return "active"
