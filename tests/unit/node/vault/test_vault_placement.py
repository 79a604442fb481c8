"""Rendezvous placement: the author first, equal for all who compute it, and steady."""

import hashlib
import os

from hypothesis import given
from hypothesis import strategies as st

from salus.node.vault.placement import holders

ids = st.binary(min_size=16, max_size=16)
rosters = st.lists(ids, min_size=1, max_size=12, unique=True)


@given(ids, rosters, st.integers(1, 7))
def test_author_first_and_everybody_distinct(
    batch: bytes, roster: list[bytes], copies: int
) -> None:
    """The author leads, nobody stands twice, and no more than asked for."""
    found = holders(batch, roster[0], roster, copies)

    assert roster[0] == found[0]
    assert min(copies, len(roster)) == len(set(found)) == len(found)


@given(ids, rosters, st.integers(1, 7), st.randoms())
def test_order_of_the_roster_does_not_matter(
    batch: bytes, roster: list[bytes], copies: int, random: object
) -> None:
    """Every member computes the same holders."""
    shuffled = list(roster)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random

    assert holders(batch, roster[0], roster, copies) == holders(batch, roster[0], shuffled, copies)


@given(ids, rosters, ids)
def test_joining_member_moves_nothing_else(batch: bytes, roster: list[bytes], new: bytes) -> None:
    """After a member joins, each batch's holders are the old ones, or it in one's place."""
    before = holders(batch, roster[0], roster, 3)
    after = holders(batch, roster[0], [*roster, *({new} - set(roster))], 3)

    assert set(after) <= {*before, new}


def test_shares_are_even() -> None:
    """Over many batches each of four members holds about half of what it did not write."""
    members = [hashlib.sha256(bytes([number])).digest()[:16] for number in range(4)]
    counts = dict.fromkeys(members[1:], 0)
    for _ in range(3_000):
        for one in holders(os.urandom(16), members[0], members, 3)[1:]:
            counts[one] += 1

    assert all(1_850 < count < 2_150 for count in counts.values())
