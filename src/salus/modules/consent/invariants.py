"""What is always true of consent; `before` and `after` are rows around any blocks."""

from collections.abc import Mapping

from salus.base.errors import invariant
from salus.modules.consent import rules
from salus.modules.consent.state import (
    Anchor,
    Grant,
    IntentCount,
    Intents,
    Seats,
    SeatsCurrent,
    TagRecord,
)


def tags_never_fall(before: Mapping[bytes, TagRecord], after: Mapping[bytes, TagRecord]) -> None:
    """A tag stays; its generation, era and sequence never fall; what is closed stays as it is."""
    for name, old in before.items():
        invariant(name in after, "consent: a tag is gone")
        new = after[name]
        grows = (
            new.generation >= old.generation
            and new.era >= old.era
            and new.sequence >= old.sequence
            and (new == old or new.sequence > old.sequence)
        )
        invariant(grows, "consent: a tag's counter fell, or it changed without an act")
        invariant(old.open or new == old, "consent: a closed tag changed")


def grants_stay(before: Mapping[bytes, Grant], after: Mapping[bytes, Grant]) -> None:
    """A grant's commitment, key and end are fixed; a revocation stays as it was made."""
    for name, old in before.items():
        invariant(name in after, "consent: a grant is gone")
        new = after[name]
        fixed = (new.commitment, new.grant_key, new.until_ms) == (
            old.commitment,
            old.grant_key,
            old.until_ms,
        )
        invariant(fixed, "consent: a grant changed")
        stays = old.revoked_ms in (None, new.revoked_ms)
        invariant(stays, "consent: a revocation was undone or moved")


def intents_have_no_gap(
    counts: Mapping[bytes, IntentCount], intents: Mapping[tuple[bytes, int], Intents]
) -> None:
    """Exactly the newest 16,384 of each member's 1, 2, 3 … are there, their times in order."""
    expected = {
        (member, sequence)
        for member, count in counts.items()
        for sequence in range(max(1, count.last - rules.INTENTS_KEPT + 1), count.last + 1)
    }
    invariant(set(intents) == expected, "consent: an intent is missing or left over")
    for (member, sequence), row in intents.items():
        earlier = intents.get((member, sequence - 1))
        in_order = earlier is None or earlier.time_ms <= row.time_ms
        invariant(in_order, "consent: intents out of order")


def anchors_only_grow(
    before: Mapping[tuple[bytes, int], Anchor], after: Mapping[tuple[bytes, int], Anchor]
) -> None:
    """An anchored log never shrinks, nor changes at the same size."""
    for name, old in before.items():
        invariant(name in after, "consent: an anchor is gone")
        new = after[name]
        invariant(new == old or new.size > old.size, "consent: an anchor shrank or changed")


def seats_are_sound(seats: Mapping[int, Seats], current: SeatsCurrent | None) -> None:
    """Versions run 1, 2, 3 … up to the current; each has its quorum as threshold."""
    newest = 0 if current is None else current.version
    invariant(sorted(seats) == list(range(1, newest + 1)), "consent: a version of seats is missing")
    for row in seats.values():
        sound = rules.are_seats(row.holders)
        quorum = row.threshold == rules.threshold(len(row.holders))
        invariant(sound and quorum, "consent: seats out of order or another threshold")


INVARIANTS = (
    tags_never_fall,
    grants_stay,
    intents_have_no_gap,
    anchors_only_grow,
    seats_are_sound,
)
