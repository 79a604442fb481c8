"""Hashes with domains: no bytes made for one purpose pass for another's."""

from hashlib import sha256
from itertools import pairwise

import pytest

from salus.base import hashing
from salus.base.hashing import DOMAINS, domain, domain_hash, u8, u16, u32, u64


def test_no_domain_begins_another() -> None:
    """Each ends with a zero byte that no name holds, so that prefixes are unambiguous."""
    prefixes = sorted(domain(name) for name in DOMAINS)

    assert all(prefix.endswith(b"\x00") and prefix.count(b"\x00") == 1 for prefix in prefixes)
    for earlier, later in pairwise(prefixes):
        assert not later.startswith(earlier)


def test_a_domain_is_what_the_design_says() -> None:
    """`"salus/1/" ‖ name ‖ 00`, before the parts in their order."""
    assert b"salus/1/tx\x00" == domain("tx")
    assert sha256(b"salus/1/tx\x00abc").digest() == domain_hash("tx", b"a", b"bc")
    assert sha256(b"abc").digest() == hashing.sha256(b"a", b"", b"bc")
    assert bytes(32) == hashing.ZERO32


def test_an_unlisted_domain_is_refused() -> None:
    """A typing slip must not make a domain of its own."""
    with pytest.raises(KeyError):
        domain_hash("tx_id", b"")


def test_numbers_are_big_endian_and_bounded() -> None:
    """1, 2, 4, 8 bytes; what does not fit is no silent wrap."""
    assert (b"\x07", b"\x00\x07", b"\x00\x00\x00\x07", bytes(7) + b"\x07") == (
        u8(7), u16(7), u32(7), u64(7),
    )  # fmt: skip
    for encode, bits in ((u8, 8), (u16, 16), (u32, 32), (u64, 64)):
        assert b"\xff" * (bits // 8) == encode((1 << bits) - 1)
        for value in (1 << bits, -1):
            with pytest.raises(OverflowError):
                encode(value)
