"""The machine's own tables: keys, nonces, meta (`ledger.md` §3.7); module number 0."""

from salus.base.codec import Struct
from salus.base.types import Count, Hash32, Height, MemberId, PublicKey, Text64, TimeMs
from salus.state.tables import Table, raw


class Key(Struct, frozen=True):
    """A member's transaction key."""

    key: PublicKey
    member: MemberId
    from_ms: TimeMs
    """First block time at which it signs."""

    retired_ms: TimeMs | None = None
    """First block time at which it signs no more."""


class Nonce(Struct, frozen=True):
    """A key's window of nonces; see `nonces.py`."""

    bits: Hash32
    """Big-endian number Σ 2^i: bit i stands for nonce floor + i, set when spent."""

    floor: Count
    """All nonces below are spent."""


class Meta(Struct, frozen=True):
    """What the machine as a whole is."""

    initial_height: Height
    """Height of the engine's first block after genesis or a move."""

    mode: Text64
    """`embedded` or `network`."""

    version: Count
    """Version of the rules in force."""


KEY = Table(0, 1, "machine.key", Key, (raw("key_id", 16),))
NONCE = Table(0, 2, "machine.nonce", Nonce, (raw("key_id", 16),))
META = Table(0, 3, "machine.meta", Meta)

TABLES = (KEY, NONCE, META)
