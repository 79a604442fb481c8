"""Every bound of the core, with unit, reason and source; a format's own stand beside it."""

from salus.base.types import DAY_MS

TRANSACTION_BYTES_MAX = 512 * 1024
"""One envelope (`ledger.md` §7): a batch's receipts or 512 tags fit with room to spare."""

MESSAGE_BYTES_MAX = 64 * 1024
"""One message inside a transaction (`ledger.md` §7)."""

MESSAGES_MAX = 1_000
"""Messages under one signature (README §4.8)."""

BLOCK_BYTES_MAX = 4_128_768
"""All transactions of a block: 4 MiB less 64 KiB for CometBFT's own fields (`ledger.md` §5.1)."""

BLOCK_TRANSACTIONS_MAX = 10_000
BLOCK_MESSAGES_MAX = 40_000
"""So that a full block takes about a second (`ledger.md` §5.1)."""

ROW_BYTES_MAX = 64 * 1024
STATE_KEY_BYTES_MAX = 96
EVENT_BYTES_MAX = 4 * 1024
EVENTS_PER_MESSAGE_MAX = 16
"""What a handler may write (`ledger.md` §7)."""

NONCE_WINDOW = 256
"""Nonces of one key that may be in flight at once (`ledger.md` §3.2)."""

NONCE_AHEAD_MAX = 65_536
"""A nonce this far above the floor is refused, lest a slip burn the key's future."""

LIFETIME_MS_MAX = DAY_MS
"""A transaction may wait at most a day (`machine.lifetime_ms` sets it lower)."""

RECEIPT_AGE_MS_MAX = 120_000
"""A storage receipt counts for two minutes of block time (`ledger.md` §5.9)."""

PROOF_FILE_BYTES_MAX = 1024 * 1024
"""A proof holds a whole transaction in base64, and its paths."""

NOTE_BYTES_MAX = 16 * 1024
NOTE_SIGNATURES_MAX = 100
"""What a verifier reads before it believes anything (`ledger.md` §7)."""

CONTAINER_BYTES_MAX = 32 * 1024 * 1024
CONTAINER_ENTRIES_MAX = 4_096
CONTAINER_GROUPS_MAX = 1_024
RECORD_BYTES_MAX = 10 * 1024 * 1024
INFLATE_RATIO_MAX = 100
"""Batches of sealed records (`patient-control.md` §7)."""

TERMS_BYTES_MAX = 16 * 1024
TERMS_ITEMS_MAX = 32
RELEASE_WANTS_MAX = 4_000
SESSION_MS_MAX = 900_000
"""Grants and sessions (`patient-control.md` §3.7, §5.4)."""

WAITING_PER_KEY_MAX = 200
POOL_TRANSACTIONS_MAX = 20_000
POOL_BYTES_MAX = 64 * 1024 * 1024
"""Admission (`ledger.md` §5.3); one member holds at most a quarter of the pool."""

PEER_CALL_BYTES_MAX = CONTAINER_BYTES_MAX + 1024 * 1024
"""One call between members: a whole container and its envelope."""

ARCHIVE_BYTES_MAX = 8 * 1024 * 1024
"""Block records handed to a catching-up member at once."""

VAULT_ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""Pruned containers or packages in one answer; a single larger one travels alone."""

WAITING_CONTAINER_BYTES_MAX = 4 * 1024 * 1024 * 1024
WAITING_CONTAINER_MS_MAX = DAY_MS
"""Containers stored but not yet committed: 4 GiB an author, one day (`ledger.md` §5.9)."""

LINK_MS_MAX = 403 * DAY_MS
"""A leave to write lies at most 13 months ahead (`patient-control.md` §3.7)."""

PACKAGE_BYTES_MAX = 64 * 1024 + 48
PACKAGES_PER_GRANT_MAX = 16
"""A sealed package, and how many of one grant a member may leave (`patient-control.md` §3.4)."""

RELEASES_ANSWER_MAX = 500
"""Release-log entries in one answer; the cursor leads on."""
