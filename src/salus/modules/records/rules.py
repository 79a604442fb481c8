"""How records decides; pure."""

from salus.base.limits import RECEIPT_AGE_MS_MAX

SERVICE = 4
"""Use of the keys that sign receipts (`members`)."""

COPIES = "vault.copies"
"""The parameter of governance that says how many members hold a batch."""


def copies_needed(active: int, copies: int) -> int:
    """
    Members that must hold a batch, of `active` ones; `copies` as voted (corrections 16).

    One liar and one loss still leave a copy where three hold it.
    """
    return min(active, copies)


def is_too_old(checked_ms: int, block_ms: int) -> bool:
    """Whether a receipt's state lies more than 120 s of block time back."""
    return checked_ms + RECEIPT_AGE_MS_MAX < block_ms
