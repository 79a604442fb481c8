"""
The two issuers of a member: whose signatures register its practitioners.

Their keys are files beside the member's own, made with its contribution. An issuer's id follows
from its key, so whoever has the file knows it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from salus.base import keyfile
from salus.base.hashing import domain_hash
from salus.base.signing import SigningKey
from salus.node.keys import read_secret
from salus.node.small_file import write_whole

COUNT = 2
"""Who must vouch for a person (corrections 4)."""

ISSUER_USE = 19
"""Of a key file; above the uses that the ledger knows."""


@dataclass(frozen=True)
class Issuer:
    """One of the two."""

    number: int
    """1 or 2, in the file's name."""

    key: SigningKey

    @property
    def id(self) -> bytes:
        """Its name on the ledger, 16 B."""
        return domain_hash("credential", b"issuer", self.key.public)[:16]

    @property
    def credential(self) -> bytes:
        """What stands in for a checked credential, 32 B; the secret in it makes it unguessable."""
        return domain_hash("credential", b"salt", self.key.seed)


def make_issuers(folder: Path, passphrase: bytes | None) -> list[Issuer]:
    """
    Make the issuers' key files, or read those made before.

    `passphrase`: None makes a demo's files, in the clear and marked so.
    """
    for number in range(1, COUNT + 1):
        path = _path(folder, number)
        if not path.exists():
            seed = os.urandom(32)
            sealed = (
                keyfile.lock_demo(seed, ISSUER_USE)
                if passphrase is None
                else keyfile.lock(seed, ISSUER_USE, passphrase)
            )
            write_whole(path, sealed)
    return read_issuers(folder, passphrase=passphrase, demo=passphrase is None)


def read_issuers(folder: Path, *, passphrase: bytes | None, demo: bool) -> list[Issuer]:
    """The issuers whose files are here, none if none is; raises as `keys.load_keys`."""
    found = [number for number in range(1, COUNT + 1) if _path(folder, number).exists()]
    return [
        Issuer(
            number,
            SigningKey(read_secret(_path(folder, number), ISSUER_USE, passphrase, demo=demo)),
        )
        for number in found
    ]


def _path(folder: Path, number: int) -> Path:
    return folder / f"issuer-{number}.key"
