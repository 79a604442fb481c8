"""
The three kinds of log entry: one canonical leaf each, to which claims lead (`ledger.md` §3.4).

    genesis       index 0
    transaction   every transaction of a block in order, refused ones too
    block         last entry of a block that has transactions, due changes or evidence
"""

from typing import Annotated

import msgspec

from salus.base import codec
from salus.base.types import Count, Hash32, Height, KeyId, TimeMs

Code = Annotated[int, msgspec.Meta(ge=0, lt=32_000)]
"""0 done, else module × 1000 + refusal number; CometBFT reads 32,000 and above as "try again"."""

UNSPENT_CODE_MAX = 14
"""Codes 1–14 refuse one copy and spend no nonce: another copy may have been done (§4)."""

UNREADABLE_CODE_MAX = 8
"""Codes 1–8 refuse before a signer is known: signer zeros, no messages (corrections 21)."""


class GenesisEntry(codec.Struct, frozen=True, tag_field="kind", tag="genesis"):
    """The first entry: which network this log is of."""

    network: Hash32
    state: Hash32
    time_ms: TimeMs


class TransactionEntry(codec.Struct, frozen=True, tag_field="kind", tag="transaction"):
    """What became of one envelope."""

    code: Code
    event_count: Count
    events: Hash32
    """RFC 6962 root over the bytes of each event; none: SHA-256 of nothing."""

    height: Height
    message_count: Count
    messages: Hash32
    """RFC 6962 root over the bytes of each message, `do` included."""

    signer: KeyId
    """Zeros if the envelope was unreadable or unsigned."""

    time_ms: TimeMs
    tx: Hash32
    """SHA-256(envelope)."""


class BlockEntry(codec.Struct, frozen=True, tag_field="kind", tag="block"):
    """What a block left behind."""

    events: Hash32
    """RFC 6962 root over the events of evidence and due actions."""

    height: Height
    state: Hash32
    """Root of the state after the block."""

    time_ms: TimeMs
    transactions: Count


Entry = GenesisEntry | TransactionEntry | BlockEntry


def decode_entry(data: bytes) -> Entry:
    """Decode one leaf; raises `codec.Malformed`, `codec.NotCanonical`."""
    entry: Entry = codec.decode_loose(data, Entry)
    if codec.encode(entry) != data:
        raise codec.NotCanonical("the bytes are not the canonical encoding of their entry")
    return entry
