"""
What a gateway must not lose, sealed at rest: patients' roots, batches, quarantine, packages.

One SQLite file, synchronous FULL. Every value is AES-256-GCM under a key derived from the member's
storage secret, bound to its kind and key; keys are random ids or keyed hashes, so that the file
says neither who nor what.
"""

import hmac
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy as sql
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.base.errors import Fault

_METADATA = sql.MetaData()
_ITEM = sql.Table(
    "item",
    _METADATA,
    sql.Column("kind", sql.String, primary_key=True),
    sql.Column("key", sql.LargeBinary, primary_key=True),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

Item = tuple[str, bytes, bytes]
"""(kind, key, value)."""


class Desk:
    """A sealed key-value store; thread-safe."""

    def __init__(self, file: Path, secret: bytes) -> None:
        """`secret`: the member's storage secret, 32 B."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._seal = AESGCM(hmac.digest(secret, b"salus/1/desk-seal", "sha256"))
        self._name_key = hmac.digest(secret, b"salus/1/desk-name", "sha256")
        self._engine = sql.create_engine(f"sqlite:///{file}", poolclass=sql.StaticPool,
                                         connect_args={"check_same_thread": False})  # fmt: skip
        self._lock = threading.Lock()
        with self._lock, self._engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            _METADATA.create_all(connection)

    def name(self, kind: str, plain: bytes) -> bytes:
        """A keyed hash to file something under that must not be read from the file; 32 B."""
        return hmac.digest(self._name_key, kind.encode() + b"\x00" + plain, "sha256")

    def put(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep a value durably, replacing an earlier one."""
        self.put_all([(kind, key, value)])

    def put_all(self, items: Iterable[Item]) -> None:
        """Keep several, all or none."""
        rows = [
            {"kind": kind, "key": key, "value": self._sealed(kind, key, value)}
            for kind, key, value in items
        ]
        if rows:
            with self._lock, self._engine.begin() as connection:
                connection.execute(_ITEM.insert().prefix_with("OR REPLACE"), rows)

    def get(self, kind: str, key: bytes) -> bytes | None:
        """A value, or None; raises Fault if the file was altered."""
        query = sql.select(_ITEM.c.value).where(_ITEM.c.kind == kind, _ITEM.c.key == key)
        with self._lock, self._engine.connect() as connection:
            sealed = connection.execute(query).scalar_one_or_none()
        return None if sealed is None else self._opened(kind, key, sealed)

    def all(self, kind: str) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) of a kind, by key."""
        query = sql.select(_ITEM.c.key, _ITEM.c.value).where(_ITEM.c.kind == kind)
        with self._lock, self._engine.connect() as connection:
            rows = connection.execute(query.order_by(_ITEM.c.key)).all()
        for key, sealed in rows:
            yield key, self._opened(kind, key, sealed)

    def delete(self, kind: str, key: bytes) -> None:
        """Forget a value."""
        where = sql.and_(_ITEM.c.kind == kind, _ITEM.c.key == key)
        with self._lock, self._engine.begin() as connection:
            connection.execute(_ITEM.delete().where(where))

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _sealed(self, kind: str, key: bytes, value: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._seal.encrypt(nonce, value, _place(kind, key))

    def _opened(self, kind: str, key: bytes, sealed: bytes) -> bytes:
        try:
            return self._seal.decrypt(sealed[:12], sealed[12:], _place(kind, key))
        except InvalidTag:
            raise Fault(
                "the gateway's desk was altered, or its storage key is another one: restore the "
                "file from a backup"
            ) from None


def _place(kind: str, key: bytes) -> bytes:
    return kind.encode() + b"\x00" + key
