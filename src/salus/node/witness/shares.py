"""
The share store: a seat's shares of every batch's network locks, sealed on disk (RocksDB).

    m ‖ month u16            -> the month's storage key, sealed under the member's secret
    b ‖ batch                -> root 32 ‖ x u8 ‖ groups u16
    s ‖ batch ‖ group u16    -> month u16 ‖ nonce 12 ‖ AES-256-GCM(tag 16 ‖ generation u32
                                ‖ level u8 ‖ index u16 ‖ share 32), bound to the row's key and x

A group's tag and slot stand beside its share, so that a seat decides alone, also where it does not
hold the container. All of a batch is written at once and synced before `keep` returns.
"""

import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from salus.base.errors import Category, Fault, Problem
from salus.base.hashing import u16
from salus.base.sealing import SealingKey
from salus.node.ports import Clock
from salus.node.witness.month_keys import NONCE_BYTES, MonthKeys, month_of
from salus.sealed.container import Container
from salus.sealed.days import Node
from salus.sealed.release import Want
from salus.sealed.shares import shares_of
from salus.state.disk import forget_options

_ROW = struct.Struct(">16sIBH32s")
_BATCH = struct.Struct(">32sBH")
_HEAD_BYTES = 2 + NONCE_BYTES


class HeldShare(NamedTuple):
    """One group's share and what decides whether it may go out."""

    x: int
    """Seat number."""

    tag: bytes
    generation: int
    slot: Node
    share: bytes
    """32 B."""


class HeldBatch(NamedTuple):
    """Which container the shares of a batch came from."""

    root: bytes
    x: int
    groups: int

    @classmethod
    def read(cls, value: bytes) -> "HeldBatch":
        """From its row; raises `struct.error`."""
        return cls(*_BATCH.unpack(value))


class ShareStore:
    """One member's; any thread reads and writes."""

    def __init__(
        self, folder: Path, secret: bytes, sealing: Sequence[SealingKey], clock: Clock
    ) -> None:
        """
        Open the store, or make it.

        `secret`: the member's storage secret, 32 B; `sealing`: its live sealing keys, newest first.
        Raises Fault: the store cannot be opened.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sealing = tuple(sealing)
        self._clock = clock
        self._lock = threading.Lock()
        self._synced = WriteOptions()
        self._synced.sync = True
        forget_options(folder / "shares")
        try:
            self._db = Rdict(str(folder / "shares"), _options())
        except Exception as error:
            raise Fault(f"the share store cannot be opened: {error}") from error
        self._keys = MonthKeys(secret, self._load_month, self._save_month)

    def open_shares(self, container: Container, x: int) -> dict[int, bytes]:
        """
        Open and check all shares of seat `x`: group number -> 32 B; one HPKE, 3 µs a group.

        Raises Problem ShareDiffers, SeatUnknown, SealNotYours, each of code V13.
        """
        refused: Problem | None = None
        for key in self._sealing:
            try:
                return shares_of(container, x, key)
            except Problem as problem:
                refused = problem
                if problem.name != "SealNotYours":
                    break
        name = "SealNotYours" if refused is None else refused.name
        raise Problem(
            Category.UNVERIFIED,
            name,
            "this seat's shares do not open as the container states; seal again for its seat key",
            code="V13",
        )

    def keep(self, container: Container, x: int, shares: dict[int, bytes]) -> None:
        """Store the opened shares of one batch; synced when this returns. Idempotent."""
        batch = container.head.batch
        month = month_of(self._clock.now_ms())
        with self._lock:
            cipher = self._keys.writing(month)
        nonces = os.urandom(NONCE_BYTES * len(shares))
        writes = WriteBatch(raw_mode=True)
        for at, (number, share) in enumerate(sorted(shares.items())):
            group = container.group(number)
            row = _ROW.pack(group.tag, group.generation, group.level, group.index, share)
            key = _share_key(batch, number)
            nonce = nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES]
            bound = key + bytes([x])
            writes.put(key, u16(month) + nonce + cipher.encrypt(nonce, row, bound))
        writes.put(b"b" + batch, _BATCH.pack(container.root, x, len(shares)))
        self._write(writes)

    def batch(self, batch: bytes) -> HeldBatch | None:
        """Which container this seat's shares of a batch came from, or None: it has none."""
        value = self._db.get(b"b" + batch)
        return None if value is None else HeldBatch.read(value)

    def find(self, wants: Sequence[Want]) -> list[HeldShare | None]:
        """
        The shares wanted, in that order; None where there is none. 6 µs each.

        Raises Fault: a row does not open, so the store or the secret is not the member's.
        """
        keys: list[Any] = [_share_key(want.batch, want.group) for want in wants]
        rows = self._db.get(keys) or []
        seats: dict[bytes, int] = {}
        found: list[HeldShare | None] = []
        for want, key, row in zip(wants, keys, rows, strict=True):
            if row is None:
                found.append(None)
                continue
            if want.batch not in seats:
                held = self.batch(want.batch)
                seats[want.batch] = 0 if held is None else held.x
            found.append(self._opened(key, row, seats[want.batch]))
        return found

    def drop(self, batch: bytes) -> None:
        """Forget a batch that was never committed."""
        writes = WriteBatch(raw_mode=True)
        writes.delete(b"b" + batch)
        writes.delete_range(_share_key(batch, 0), _share_key(batch, 0xFFFF) + b"\x00")
        self._write(writes)

    def close(self) -> None:
        """Flush and close."""
        self._db.close()

    def _opened(self, key: bytes, row: bytes, x: int) -> HeldShare:
        month = int.from_bytes(row[:2], "big")
        try:
            plain = self._keys.reading(month).decrypt(
                row[2:_HEAD_BYTES], row[_HEAD_BYTES:], key + bytes([x])
            )
        except InvalidTag:
            raise Fault(
                "a stored share does not open: the share store is damaged; run `salus repair`"
            ) from None
        tag, generation, level, index, share = _ROW.unpack(plain)
        return HeldShare(x, tag, generation, Node(level, index), share)

    def _load_month(self, month: int) -> bytes | None:
        value: bytes | None = self._db.get(b"m" + u16(month))
        return value

    def _save_month(self, month: int, sealed: bytes) -> None:
        writes = WriteBatch(raw_mode=True)
        writes.put(b"m" + u16(month), sealed)
        self._write(writes)

    def _write(self, writes: WriteBatch) -> None:
        try:
            self._db.write(writes, self._synced)
        except Exception as error:
            raise Problem(
                Category.BUSY, "ShareStoreFull", "the share store cannot be written", code="V14"
            ) from error


def _share_key(batch: bytes, group: int) -> bytes:
    return b"s" + batch + u16(group)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_paranoid_checks(enabled=True)
    return options
