"""
What a gateway must not lose, sealed at rest: patients' roots, batches, quarantine, packages.

One SQLite file, synchronous FULL. Every value is AES-256-GCM under a key derived from the member's
storage secret, bound to its kind and key; keys are random ids or keyed hashes, so that the file
says neither who nor what. It does say how many items of each kind there are.
"""

import hmac
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sql
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.base.errors import Category, Fault, Problem

_METADATA = sql.MetaData()
_ITEM = sql.Table(
    "item",
    _METADATA,
    sql.Column("kind", sql.String, primary_key=True),
    sql.Column("key", sql.LargeBinary, primary_key=True),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

_CHECK: tuple[str, bytes, bytes] = ("check", b"desk", b"salus/1/desk")
"""The item that shows at the start whether the storage key is the one this file was made with."""

_NONCE_BYTES = 12


Place = tuple[str, bytes]
"""(kind, key)."""


class Desk:
    """A sealed key-value store; thread-safe."""

    def __init__(self, file: Path, secret: bytes) -> None:
        """
        Open or make the file; `secret`: the member's storage secret, 32 B.

        Raises Fault: the file is damaged, or was made with another storage key.
        """
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        self._seal = AESGCM(hmac.digest(secret, b"salus/1/desk-seal", "sha256"))
        self._name_key = hmac.digest(secret, b"salus/1/desk-name", "sha256")
        self._engine = sql.create_engine(f"sqlite:///{file}", poolclass=sql.StaticPool,
                                         connect_args={"check_same_thread": False})  # fmt: skip
        self._lock = threading.Lock()
        try:
            self._start()
        except BaseException:
            self._engine.dispose()
            raise

    def name(self, kind: str, plain: bytes) -> bytes:
        """A keyed hash to file something under that must not be read from the file; 32 B."""
        return hmac.digest(self._name_key, kind.encode() + b"\x00" + plain, "sha256")

    def put(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep a value durably, replacing an earlier one."""
        self.change([(kind, key, value)])

    def change(
        self, puts: Iterable[tuple[str, bytes, bytes]], deletes: Iterable[Place] = ()
    ) -> None:
        """Keep some values and forget others, all or none; durable when this returns."""
        rows = [
            {"kind": kind, "key": key, "value": self._sealed(kind, key, value)}
            for kind, key, value in puts
        ]
        with self._transaction() as connection:
            for kind, key in deletes:
                connection.execute(
                    _ITEM.delete().where(sql.and_(_ITEM.c.kind == kind, _ITEM.c.key == key))
                )
            if rows:
                connection.execute(_ITEM.insert().prefix_with("OR REPLACE"), rows)

    def get(self, kind: str, key: bytes) -> bytes | None:
        """A value, or None; raises Fault if the file was altered."""
        query = sql.select(_ITEM.c.value).where(_ITEM.c.kind == kind, _ITEM.c.key == key)
        with self._transaction() as connection:
            sealed = connection.execute(query).scalar_one_or_none()
        return None if sealed is None else self._opened(kind, key, sealed)

    def all(self, kind: str) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) of a kind, by key; raises Fault if the file was altered."""
        query = sql.select(_ITEM.c.key, _ITEM.c.value).where(_ITEM.c.kind == kind)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(_ITEM.c.key)).all()
        for key, sealed in rows:
            yield key, self._opened(kind, key, sealed)

    def delete(self, kind: str, key: bytes) -> None:
        """Forget a value."""
        self.change([], [(kind, key)])

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _start(self) -> None:
        with self._transaction() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            _METADATA.create_all(connection)
            is_new = connection.execute(sql.select(_ITEM.c.kind).limit(1)).first() is None
        kind, key, value = _CHECK
        if is_new:
            self.put(kind, key, value)
        if self.get(kind, key) != value:
            raise _altered()

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        """One transaction at a time; a damaged file is a Fault, a full disk a Problem."""
        try:
            with self._lock, self._engine.begin() as connection:
                yield connection
        except sql.exc.OperationalError:
            raise Problem(
                Category.UNAVAILABLE,
                "DeskUnavailable",
                "the gateway's desk cannot be written; see whether its disk is full",
            ) from None
        except sql.exc.DatabaseError:
            raise _altered() from None

    def _sealed(self, kind: str, key: bytes, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, value, _bound(kind, key))

    def _opened(self, kind: str, key: bytes, sealed: bytes) -> bytes:
        try:
            return self._seal.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(kind, key)
            )
        except (InvalidTag, ValueError):
            raise _altered() from None


def _bound(kind: str, key: bytes) -> bytes:
    return kind.encode() + b"\x00" + key


def _altered() -> Fault:
    return Fault(
        "the gateway's desk was altered, or its storage key is another one: restore file and key "
        "from the same backup"
    )
