"""
Shamir's secret sharing over GF(256), bytewise on a whole packet at once (Shamir 1979).

- The field is that of AES: polynomial 0x11b. A share has its secret's length.
- A seat's number is the polynomial's x, 1–255; x = 0 would be the secret itself.
- Fewer than `threshold` shares say nothing; shares carry no proof: callers keep digests of them.

Multiplying a packet by one factor is one `bytes.translate`, adding two is one XOR of integers.
The tables are not constant-time: split and join run where an attacker cannot time the cache.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from salus.base.errors import Category, Problem

_POLYNOMIAL = 0x11B


def split(secret: bytes, threshold: int, seats: Iterable[int]) -> dict[int, bytes]:
    """
    Split so that any `threshold` of the seats' shares give the secret; seat number -> share.

    Raises Problem SeatsWrong: a number outside 1–255, one twice, or fewer than the threshold.
    """
    numbers = _checked(seats)
    if not 1 <= threshold <= len(numbers):
        raise _seats_wrong(f"a threshold of {threshold} over {len(numbers)} seats")
    length = len(secret)
    packets = [secret, *(os.urandom(length) for _ in range(threshold - 1))]
    return {x: share_at(packets, x) for x in numbers}


def join(shares: Mapping[int, bytes]) -> bytes:
    """
    Give the secret from `threshold` or more true shares, by seat number.

    From fewer, or with a false one among them, it gives other bytes: it cannot know.
    Raises Problem SeatsWrong as `split`, or for no shares or shares of unequal length.
    """
    numbers = _checked(shares)
    if len({len(share) for share in shares.values()}) != 1:
        raise _seats_wrong("no shares, or shares of unequal length")
    secret = bytes(len(shares[numbers[0]]))
    for x, weight in zip(numbers, _weights(numbers), strict=True):
        secret = xor(secret, shares[x].translate(_times(weight)))
    return secret


def share_at(packets: Sequence[bytes], x: int) -> bytes:
    """Evaluate at `x` the polynomials whose coefficients are the packets, lowest power first."""
    share = packets[-1]
    for packet in reversed(packets[:-1]):
        share = xor(share.translate(_times(x)), packet)
    return share


def xor(left: bytes, right: bytes) -> bytes:
    """Add two packets; a shorter one counts as having zeros before it."""
    total = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return total.to_bytes(max(len(left), len(right)), "big")


@lru_cache(maxsize=1_024)
def _weights(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's factors at zero: the product of x_j / (x_j - x_i) over all other j."""
    weights = []
    for x in numbers:
        weight = 1
        for other in numbers:
            if other != x:
                weight = _product(weight, _quotient(other, other ^ x))
        weights.append(weight)
    return tuple(weights)


@cache
def _times(factor: int) -> bytes:
    """The table that multiplies each byte by `factor`."""
    return bytes(_product(factor, value) for value in range(256))


def _product(left: int, right: int) -> int:
    if not left or not right:
        return 0
    powers, logarithms = _tables()
    return powers[(logarithms[left] + logarithms[right]) % 255]


def _quotient(left: int, right: int) -> int:
    powers, logarithms = _tables()
    return powers[(logarithms[left] - logarithms[right]) % 255]


@cache
def _tables() -> tuple[list[int], list[int]]:
    """Powers of the generator, and their inverse."""
    powers = [1]
    while len(powers) < 255:
        doubled = powers[-1] << 1
        powers.append((doubled ^ (_POLYNOMIAL if doubled > 255 else 0)) ^ powers[-1])
    logarithms = [0] * 256
    for exponent, value in enumerate(powers):
        logarithms[value] = exponent
    return powers, logarithms


def _checked(seats: Iterable[int]) -> tuple[int, ...]:
    numbers = tuple(sorted(seats))
    if len(set(numbers)) != len(numbers) or any(not 1 <= x <= 255 for x in numbers):
        raise _seats_wrong("a seat number outside 1-255, or one twice")
    return numbers


def _seats_wrong(found: str) -> Problem:
    return Problem(
        Category.INVALID, "SeatsWrong", f"expected distinct seats 1-255, enough of them; {found}"
    )
