"""
Who signs, and whether it may: the steps of a transaction after its form and signature.

Pure: what the state says of a key goes in, the key's next window comes out.
"""

from dataclasses import dataclass

from salus.machine import nonces, refusals
from salus.machine.tables import Key, Nonce
from salus.machine.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Signer:
    """What one state says of a transaction key."""

    row: Key
    is_active: bool
    """Whether its member is; the key's own period stands in the row."""

    window: Nonce
    """Before the next nonce."""


def admit(signer: Signer, transaction: Transaction, time_ms: int, lifetime_ms: int) -> Nonce:
    """
    Check key, expiry and nonce at a time; returns the key's window after the nonce.

    Refuses, in this order: KeyUnknown, KeyInactive, TransactionExpired, LifetimeTooLong,
    NonceTooFar, NonceUsed.
    """
    row = signer.row
    if row.key != transaction.key:
        raise refusals.KeyUnknown(key_id=transaction.key_id)
    retired = row.retired_ms is not None and row.retired_ms <= time_ms
    if row.from_ms > time_ms or retired or not signer.is_active:
        raise refusals.KeyInactive(key_id=transaction.key_id)
    if transaction.until_ms < time_ms:
        raise refusals.TransactionExpired(until_ms=transaction.until_ms, block_ms=time_ms)
    if transaction.until_ms > time_ms + lifetime_ms:
        raise refusals.LifetimeTooLong(
            until_ms=transaction.until_ms, latest_ms=time_ms + lifetime_ms
        )
    return nonces.spend(signer.window, transaction.nonce)
