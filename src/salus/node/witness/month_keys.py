"""
Storage keys, one a month, each sealed under the member's storage secret.

Dropping a month's key makes every value written in that month unreadable, also in backups of the
store: that is how an erasure reaches what was already copied (`patient-control.md` §5.9).
"""

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.base.errors import Fault
from salus.base.hashing import u16
from salus.base.types import DAY_MS

NONCE_BYTES = 12
KEY_BYTES = 32

_MONTH_MS = 30 * DAY_MS
_BOUND = b"salus/1/month-key\x00"


def month_of(now_ms: int) -> int:
    """Storage month of a time: 30 days each, counted from 1970-01-01; u16."""
    return now_ms // _MONTH_MS


class MonthKeys:
    """
    The keys of all months, opened when first needed.

    Each encrypts under random nonces of 96 bits: safe up to 2^32 values a month (NIST SP 800-38D
    §8.3), which is 1,600 groups a second without a pause.
    """

    def __init__(
        self,
        secret: bytes,
        load: Callable[[int], bytes | None],
        save: Callable[[int, bytes], None],
    ) -> None:
        """`secret`: 32 B; `load`, `save`: a month's sealed key, durable when `save` returns."""
        self._secret = AESGCM(secret)
        self._load = load
        self._save = save
        self._keys: dict[int, AESGCM] = {}

    def writing(self, month: int) -> AESGCM:
        """The key for new values, made if the month has none yet."""
        if month not in self._keys and self._load(month) is None:
            nonce = os.urandom(NONCE_BYTES)
            sealed = self._secret.encrypt(nonce, os.urandom(KEY_BYTES), _BOUND + u16(month))
            self._save(month, nonce + sealed)
        return self.reading(month)

    def reading(self, month: int) -> AESGCM:
        """The key of values written in `month`; raises Fault: dropped, or another secret's."""
        key = self._keys.get(month)
        if key is None:
            key = self._keys[month] = AESGCM(self._opened(month))
        return key

    def _opened(self, month: int) -> bytes:
        sealed = self._load(month)
        if sealed is None:
            raise Fault("a storage key is missing: restore the witness folder, or repair shares")
        try:
            return self._secret.decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _BOUND + u16(month)
            )
        except InvalidTag:
            raise Fault(
                "a storage key does not open: expected the storage secret it was sealed under; "
                "put the member's own key file back"
            ) from None
