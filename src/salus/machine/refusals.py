"""
The machine's own refusals, in the order they are checked for every transaction (`ledger.md` §4).

Codes 1-14 leave the nonce unspent: so far only the log changes.
"""

from salus.base.errors import Category, Refusal


class MachineRefusal(Refusal, number=0, category=Category.INVALID):
    """The base of the machine's refusals; module 0."""

    module = 0


class TransactionTooLarge(MachineRefusal, number=1, category=Category.TOO_LARGE):
    """The envelope is over 512 KiB; split its messages over several transactions."""

    limit_bytes: int
    found_bytes: int


class EnvelopeMalformed(MachineRefusal, number=2, category=Category.MALFORMED):
    """The envelope is not a map of body, key and sig in their widths."""


class EnvelopeNotCanonical(MachineRefusal, number=3, category=Category.MALFORMED):
    """The envelope decodes, but is not the one encoding of what it holds."""


class AlgorithmUnknown(MachineRefusal, number=4, category=Category.UNSUPPORTED):
    """Key and signature must begin with the same known algorithm byte (1, Ed25519)."""


class BodyMalformed(MachineRefusal, number=5, category=Category.MALFORMED):
    """The body breaks the schema, holds an unknown, oversized or no message."""


class TooManyMessages(MachineRefusal, number=6, category=Category.TOO_LARGE):
    """A transaction carries 1 to 1,000 messages."""

    limit: int
    found: int


class BodyNotCanonical(MachineRefusal, number=7, category=Category.MALFORMED):
    """The body decodes, but is not the one encoding of what it holds."""


class SignatureInvalid(MachineRefusal, number=8, category=Category.UNAUTHENTICATED):
    """The signature does not hold for this key, body and network."""


class KeyUnknown(MachineRefusal, number=9, category=Category.UNAUTHENTICATED):
    """No member has this transaction key; register it with members.add_key first."""

    key_id: bytes


class KeyInactive(MachineRefusal, number=10, category=Category.FORBIDDEN):
    """The key is not valid yet, retired, or its member is suspended or removed."""

    key_id: bytes


class TransactionExpired(MachineRefusal, number=11, category=Category.INVALID):
    """The block's time is past until_ms; sign it again with a later end."""

    until_ms: int
    block_ms: int


class LifetimeTooLong(MachineRefusal, number=12, category=Category.INVALID):
    """until_ms lies further ahead than machine.lifetime_ms allows."""

    until_ms: int
    latest_ms: int


class NonceTooFar(MachineRefusal, number=13, category=Category.INVALID):
    """The nonce is 65,536 or more above the key's floor; ask for the key's nonce window."""

    nonce: int
    floor: int


class NonceUsed(MachineRefusal, number=14, category=Category.CONFLICT):
    """The key spent this nonce already, or skipped it for good."""

    nonce: int
    floor: int


REFUSALS: tuple[type[Refusal], ...] = (
    TransactionTooLarge,
    EnvelopeMalformed,
    EnvelopeNotCanonical,
    AlgorithmUnknown,
    BodyMalformed,
    TooManyMessages,
    BodyNotCanonical,
    SignatureInvalid,
    KeyUnknown,
    KeyInactive,
    TransactionExpired,
    LifetimeTooLong,
    NonceTooFar,
    NonceUsed,
)

LAST_UNSPENT = 14
"""Codes up to here leave the nonce unspent."""
