"""The nonce window against a plain set: each nonce counts once, a gap blocks nobody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base.limits import NONCE_AHEAD_MAX, NONCE_WINDOW
from salus.machine import nonces, refusals
from salus.machine.tables import Nonce

STEPS = st.lists(
    st.one_of(
        st.integers(-3, 12),
        st.integers(NONCE_WINDOW - 3, NONCE_WINDOW + 3),
        st.integers(NONCE_AHEAD_MAX - 2, NONCE_AHEAD_MAX + 2),
        st.integers(0, 600),
    ),
    max_size=200,
)
"""Nonces by their distance from the floor: near, at the window's edge, at the far bound."""


class Spent:
    """The window in plain words: a set of nonces, and the floor the rules give."""

    def __init__(self) -> None:
        """Nothing spent."""
        self.spent: set[int] = set()
        self.floor = 0

    def spend(self, nonce: int) -> str:
        """`far`, `used` or `ok`; what falls out of the window is lost."""
        if nonce >= self.floor + NONCE_AHEAD_MAX:
            return "far"
        if nonce < self.floor or nonce in self.spent:
            return "used"
        self.spent.add(nonce)
        self.floor = max(self.floor, nonce - NONCE_WINDOW + 1)
        while self.floor in self.spent:
            self.floor += 1
        return "ok"


def attempt(window: Nonce, nonce: int) -> tuple[str, Nonce]:
    """What the machine says, and the window after."""
    try:
        return "ok", nonces.spend(window, nonce)
    except refusals.NonceTooFar:
        return "far", window
    except refusals.NonceUsed:
        return "used", window


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_window_is_a_set(distances: list[int]) -> None:
    """Same answer as the set at every step; bit 0 is never set, the floor never falls."""
    window = nonces.NEW
    plain = Spent()
    for distance in distances:
        nonce = max(0, window.floor + distance)
        known = nonces.is_spent(window, nonce)

        answer, after = attempt(window, nonce)

        assert plain.spend(nonce) == answer
        assert known == (answer == "used")
        assert plain.floor == after.floor >= window.floor
        bits = int.from_bytes(after.bits, "big")
        assert {after.floor + at for at in range(NONCE_WINDOW) if bits >> at & 1} == {
            spent for spent in plain.spent if spent >= after.floor
        }
        assert 0 == bits & 1
        window = after


def test_a_gap_blocks_nobody() -> None:
    """A nonce inside the window leaves the floor; those skipped can still come, in any order."""
    window = nonces.NEW
    for nonce in (255, 2, 1):
        window = nonces.spend(window, nonce)
        assert 0 == window.floor

    assert 3 == nonces.spend(window, 0).floor


def test_a_far_nonce_loses_what_it_skips() -> None:
    """256 above the floor shifts the window by one: the nonce at the floor is lost."""
    window = nonces.spend(nonces.NEW, 256)

    assert 1 == window.floor
    with pytest.raises(refusals.NonceUsed):
        nonces.spend(window, 0)
