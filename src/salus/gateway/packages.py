"""
Grants received: packages in the vaults that open by this member's sealing key.

A package says on its outside neither for whom it is nor whose: the gateway tries each new one.
"""

from dataclasses import dataclass

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.sealing import PaddingRefused, SealRefused
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.node.vault.messages import (
    PACKAGE_GET,
    PACKAGE_LIST,
    PackagesAsked,
    PackagesFound,
    PackagesOf,
)
from salus.sealed.grants import Package, Terms, read_terms, unpack_package

CURSOR = "package-cursor"
RECEIVED = "package"
"""Kinds of the desk's items."""

OWN = b"own"
"""Key of the cursor over the own vault."""


@dataclass(frozen=True)
class Received:
    """A grant this member may use."""

    grant: bytes
    terms: Terms
    package: Package


class Packages:
    """The reading side's grants."""

    def __init__(self, office: Office, desk: Desk) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk

    def received(self) -> list[Received]:
        """All grants to this member, after a look at what is new in the own vault."""
        self._look()
        return [_read(grant, value) for grant, value in self._desk.all(RECEIVED)]

    def one(self, grant: bytes) -> Received:
        """The newest package of a grant that opens here; raises Problem GrantNotForUs."""
        body = codec.encode(PackagesOf(grant=grant))
        opened = self._office.first_answer(
            self._office.members(), PACKAGE_GET, body, lambda data: self._newest(grant, data)
        )
        self._desk.put(RECEIVED, grant, opened)
        return _read(grant, opened)

    def _look(self) -> None:
        """Try every package that came to the own vault since the last look."""
        while True:
            after = int.from_bytes(self._desk.get(CURSOR, OWN) or b"", "big")
            body = codec.encode(PackagesAsked(after=after))
            found = codec.decode(
                self._office.ask(self._office.member, PACKAGE_LIST, body), PackagesFound
            )
            for one in found.packages:
                opened = self._open(one.grant, one.sealed)
                if opened is not None:
                    self._desk.put(RECEIVED, one.grant, opened)
                after = one.number
            self._desk.put(CURSOR, OWN, after.to_bytes(8, "big"))
            if not found.more:
                return

    def _newest(self, grant: bytes, data: bytes) -> bytes:
        found = codec.decode(data, PackagesFound)
        for one in reversed(found.packages):
            opened = self._open(grant, one.sealed)
            if opened is not None:
                return opened
        raise Problem(
            Category.NOT_FOUND,
            "GrantNotForUs",
            "no package of this grant opens by this member's key; ask the patient",
        )

    def _open(self, grant: bytes, sealed: bytes) -> bytes | None:
        """The package's plain bytes, or None if it is not for this member."""
        try:
            plain = self._office.keys.sealing.unseal(sealed, "package", self._office.network, grant)
            package = unpack_package(plain)
        except (SealRefused, PaddingRefused, codec.Malformed):
            return None
        return codec.encode(package)


def _read(grant: bytes, value: bytes) -> Received:
    package = codec.decode(value, Package)
    return Received(grant, read_terms(package.terms), package)
