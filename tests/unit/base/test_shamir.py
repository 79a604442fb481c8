"""Secret sharing: any t join, fewer say nothing, and the field is that of AES."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import shamir
from salus.base.errors import Problem


@st.composite
def splits(draw: st.DrawFn) -> tuple[bytes, int, list[int]]:
    """A secret, a threshold and seat numbers."""
    seats = draw(st.lists(st.integers(1, 255), min_size=1, max_size=8, unique=True))
    return draw(st.binary(min_size=1, max_size=70)), draw(st.integers(1, len(seats))), seats


def product(left: int, right: int) -> int:
    """Multiply in GF(256) by shifts, the slow way."""
    total = 0
    while right:
        if right & 1:
            total ^= left
        left = left << 1 ^ (0x11B if left & 0x80 else 0)
        right >>= 1
    return total


@given(splits())
def test_any_t_shares_join(case: tuple[bytes, int, list[int]]) -> None:
    """Every choice of t seats gives the secret, and so do all of them."""
    secret, threshold, seats = case
    shares = shamir.split(secret, threshold, seats)
    for chosen in itertools.islice(itertools.combinations(seats, threshold), 20):
        assert secret == shamir.join({x: shares[x] for x in chosen})

    assert secret == shamir.join(shares)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_fewer_shares_fit_every_secret(secret: bytes, other: bytes) -> None:
    """With t − 1 shares any other secret is as possible: a share exists that would give it."""
    shares = shamir.split(secret, 3, [1, 2, 3])
    two = {1: shares[1], 2: shares[2]}
    # Through (0, other) and the two shares runs one polynomial; its value at 3 by Lagrange.
    points = {0: other, **two}
    forged = bytes(8)
    for x, value in points.items():
        weight = 1
        for y in points:
            if y != x:
                inverse = next(z for z in range(1, 256) if product(z, x ^ y) == 1)
                weight = product(weight, product(3 ^ y, inverse))
        forged = shamir.xor(forged, bytes(product(weight, byte) for byte in value))

    assert other == shamir.join({**two, 3: forged})


def test_a_false_share_gives_another_secret() -> None:
    """Joining cannot know; digests must."""
    shares = shamir.split(bytes(32), 3, [1, 2, 3])

    assert bytes(32) != shamir.join({**shares, 2: bytes(32)})


@given(st.integers(1, 255), st.binary(min_size=1, max_size=9))
def test_share_at_is_the_polynomial(x: int, slope: bytes) -> None:
    """A share is secret + slope·x, byte by byte, in the field of polynomial 0x11b."""
    secret = bytes(reversed(slope))
    expected = bytes(s ^ product(a, x) for s, a in zip(secret, slope, strict=True))

    assert expected == shamir.share_at([secret, slope], x)


def test_known_products() -> None:
    """FIPS 197 §4.2: {57}·{83} = {c1}, {57}·{13} = {fe}."""
    assert b"\xc1" == shamir.share_at([b"\x00", b"\x57"], 0x83)
    assert b"\xfe" == shamir.share_at([b"\x00", b"\x57"], 0x13)


SEATS_WRONG = {
    "seat 0, the secret itself": (1, [0, 1]),
    "seat 256": (1, [256]),
    "a seat twice": (1, [4, 4]),
    "no seats": (1, []),
    "a threshold of none": (0, [1]),
    "a threshold above the seats": (3, [1, 2]),
}


@pytest.mark.parametrize(("threshold", "seats"), SEATS_WRONG.values(), ids=SEATS_WRONG.keys())
def test_split_refuses_wrong_seats(threshold: int, seats: list[int]) -> None:
    """Seats are distinct, 1-255, and enough."""
    with pytest.raises(Problem, match="SeatsWrong"):
        shamir.split(b"secret", threshold, seats)


NOT_JOINED: dict[str, dict[int, bytes]] = {
    "none": {},
    "of unequal length": {1: b"ab", 2: b"a"},
    "of seat 0": {0: b"ab"},
}


@pytest.mark.parametrize("shares", NOT_JOINED.values(), ids=NOT_JOINED.keys())
def test_join_refuses_what_are_no_shares(shares: dict[int, bytes]) -> None:
    """Shares come from others: their form is checked."""
    with pytest.raises(Problem, match="SeatsWrong"):
        shamir.join(shares)
