"""
A member's secrets on disk: one file a use, mode 0600, made once, read at start.

Production files are sealed by a passphrase; a demo's are marked and refused outside demo mode.
"""

import enum
import os
from dataclasses import dataclass
from pathlib import Path

from salus.base import keyfile
from salus.base.errors import Category, Problem
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey, member_id
from salus.node.small_file import write_whole

NAMED = "member.id"
"""Beside the keys, hex: the member's id, which outlives its first transaction key."""


class Use(enum.IntEnum):
    """What a secret is for; 1-6 as on the ledger, above that the member's own."""

    TRANSACTION = 1
    SEALING = 2
    SERVICE = 4
    LOG = 5
    RETENTION = 16
    """Wraps the group keys of the member's own records; never leaves the member."""

    HOUSE = 17
    """Root of the member's own tags: directory data."""

    STORAGE = 18
    """Seals what gateway and witness keep on disk."""

    @property
    def file_name(self) -> str:
        """`transaction.key` and so on."""
        return f"{self.name.lower()}.key"


@dataclass(frozen=True)
class MemberKeys:
    """All secrets of one member."""

    transaction: SigningKey
    sealing: SealingKey
    service: SigningKey
    log: SigningKey
    retention: bytes
    house: bytes
    storage: bytes
    named: bytes | None = None
    """The member's id once its first transaction key, which gave it, was replaced."""

    @property
    def member(self) -> bytes:
        """The member's id, 16 B: the noted one, else that of the transaction key."""
        return member_id(self.transaction.public) if self.named is None else self.named

    def __repr__(self) -> str:
        """Nothing secret."""
        return f"MemberKeys({self.member.hex()})"


def make_demo_keys(folder: Path) -> MemberKeys:
    """Make a demo member's secrets, or read those made before."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for use in Use:
        path = folder / use.file_name
        if not path.exists():
            write_whole(path, keyfile.lock_demo(os.urandom(32), use))
    return load_keys(folder, demo=True)


def make_keys(folder: Path, passphrase: bytes) -> MemberKeys:
    """Make a member's secrets sealed by a passphrase; keeps those made before."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for use in Use:
        path = folder / use.file_name
        if not path.exists():
            write_whole(path, keyfile.lock(os.urandom(32), use, passphrase))
    return load_keys(folder, passphrase=passphrase)


def load_keys(folder: Path, *, passphrase: bytes | None = None, demo: bool = False) -> MemberKeys:
    """Read a member's secrets; raises Problem KeyFileMissing, KeyFileExposed, KeyFileDemo, …."""
    secrets = {use: read_secret(folder / use.file_name, use, passphrase, demo=demo) for use in Use}
    named = folder / NAMED
    return MemberKeys(
        transaction=SigningKey(secrets[Use.TRANSACTION]),
        sealing=SealingKey(secrets[Use.SEALING]),
        service=SigningKey(secrets[Use.SERVICE]),
        log=SigningKey(secrets[Use.LOG]),
        retention=secrets[Use.RETENTION],
        house=secrets[Use.HOUSE],
        storage=secrets[Use.STORAGE],
        named=bytes.fromhex(named.read_text()) if named.exists() else None,
    )


def read_secret(path: Path, use: int, passphrase: bytes | None, *, demo: bool) -> bytes:
    """The secret of one file, 32 B; raises Problem KeyFileMissing, KeyFileExposed, …."""
    if not path.exists():
        raise _problem("KeyFileMissing", f"expected {path.name}; make it by `salus keys new`")
    status = path.stat()
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise _problem("KeyFileExposed", f"{path.name}: expected mode 0600 and your own file")
    data = path.read_bytes()
    if keyfile.is_demo(data):
        if not demo:
            raise _problem("KeyFileDemo", f"{path.name} is a demo's key; make real ones")
        return keyfile.unlock_demo(data, use)
    if passphrase is None:
        raise _problem("PassphraseMissing", f"{path.name} is sealed; give its passphrase")
    return keyfile.unlock(data, use, passphrase)


def _problem(name: str, text: str) -> Problem:
    return Problem(Category.UNAUTHENTICATED, name, text)
