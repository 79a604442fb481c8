"""
The nonce window: a key may have 256 transactions in flight, each counts once (`ledger.md` §3.2).

A gap never blocks a key: a nonce far ahead shifts the window, and what it skipped is lost.
"""

from salus.base.limits import NONCE_AHEAD_MAX, NONCE_WINDOW
from salus.machine import refusals
from salus.machine.tables import Nonce

NEW = Nonce(bits=bytes(32), floor=0)
"""The window of a key that has not signed yet."""


def spend(window: Nonce, nonce: int) -> Nonce:
    """The window after `nonce`; refuses with NonceTooFar, NonceUsed."""
    floor = window.floor
    if nonce >= floor + NONCE_AHEAD_MAX:
        raise refusals.NonceTooFar(nonce=nonce, floor=floor)
    if nonce < floor:
        raise refusals.NonceUsed(nonce=nonce, floor=floor)
    bits = int.from_bytes(window.bits, "big")
    if nonce >= floor + NONCE_WINDOW:
        shift = nonce - floor - NONCE_WINDOW + 1
        bits >>= shift
        floor += shift
    bit = 1 << (nonce - floor)
    if bits & bit:
        raise refusals.NonceUsed(nonce=nonce, floor=floor)
    bits |= bit
    while bits & 1:
        bits >>= 1
        floor += 1
    return Nonce(bits=bits.to_bytes(32, "big"), floor=floor)


def is_spent(window: Nonce, nonce: int) -> bool:
    """Whether the nonce would be refused as used."""
    at = nonce - window.floor
    return at < 0 or (at < NONCE_WINDOW and bool(int.from_bytes(window.bits, "big") >> at & 1))
