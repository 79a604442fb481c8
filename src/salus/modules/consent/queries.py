"""What may be read of consent."""

from salus.machine.context import View
from salus.modules.consent import rules
from salus.modules.consent.state import (
    ANCHOR,
    GRANT,
    INTENT_COUNT,
    INTENTS,
    SEATS,
    SEATS_CURRENT,
    TAG,
    Anchor,
    Grant,
    Intents,
    Seats,
    TagRecord,
)


def tag(view: View, tag: bytes) -> TagRecord | None:
    """The tag's record, closed or not, or None."""
    return view.read(TAG, tag)


def seats(view: View, version: int | None = None) -> Seats | None:
    """A version of the seats; without one the current; None if there is none."""
    if version is None:
        current = seats_current(view)
        return None if current is None else current[1]
    return view.read(SEATS, version)


def seats_current(view: View) -> tuple[int, Seats] | None:
    """The version new batches name, and its seats; None before any were set."""
    current = view.read(SEATS_CURRENT)
    row = None if current is None else view.read(SEATS, current.version)
    return None if current is None or row is None else (current.version, row)


def seats_valid(view: View, version: int) -> Seats | None:
    """The version's seats if batches may name it at the view's time, else None."""
    current = seats_current(view)
    if current is None:
        return None
    newest, row = current
    if version == newest:
        return row
    is_former = version == newest - 1
    if is_former and view.time_ms < row.active_from_ms + rules.SEATS_FORMER_MS:
        return view.read(SEATS, version)
    return None


def grant(view: View, grant: bytes) -> Grant | None:
    """The grant's public half, ended or not, or None."""
    return view.read(GRANT, grant)


def grant_status(view: View, grant: bytes, at_ms: int) -> rules.GrantStatus:
    """`active`, `ended`, `revoked` or `unknown` at a block time."""
    return rules.grant_status(view.read(GRANT, grant), at_ms)


def intents(view: View, member: bytes, sequence: int) -> Intents | None:
    """One of the last 16,384 intents of a member, or None."""
    return view.read(INTENTS, member, sequence)


def intent_count(view: View, member: bytes) -> int:
    """How many intents a member has posted; the next has this number plus one."""
    row = view.read(INTENT_COUNT, member)
    return 0 if row is None else row.last


def anchor(view: View, member: bytes, log: int) -> Anchor | None:
    """The newest anchor of a member's log (0 releases), or None."""
    return view.read(ANCHOR, member, log)


QUERIES = (
    tag,
    seats,
    seats_current,
    seats_valid,
    grant,
    grant_status,
    intents,
    intent_count,
    anchor,
)
