"""
Grants received: packages in the vaults that open by this member's sealing key.

A package says on its outside neither for whom it is nor whose: the gateway tries each new one. Any
member can seal something to this key, so a package counts only if its terms are those the ledger
is committed to. A later package adds keys of later generations and replaces none that came before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.hashing import u64
from salus.base.sealing import PaddingRefused, SealRefused
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.modules.consent import queries as consent
from salus.node.vault.messages import (
    PACKAGE_GET,
    PACKAGE_LIST,
    PackagesAsked,
    PackagesFound,
    PackagesOf,
)
from salus.sealed.grants import Package, TagSeeds, Terms, commitment, read_terms, unpack_package

CURSOR = "package-cursor"
RECEIVED = "package"
"""Kinds of the desk's items: how far each member's packages were tried, and those that opened."""


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
        """All grants to this member, after a look at what is new in the vaults."""
        for member in self._office.members():
            try:
                self._look(member)
            except Problem:
                # It is down, or answers falsely; the others have its packages too.
                continue
        return [_read(grant, value) for grant, value in self._desk.all(RECEIVED)]

    def one(self, grant: bytes) -> Received:
        """The newest package of a grant that opens here; raises Problem GrantNotForUs."""
        answers = self._office.ask_all(
            self._office.members(), PACKAGE_GET, PackagesOf(grant=grant), PackagesFound
        )
        sealed = {
            one.sealed
            for answer in answers.values()
            if not isinstance(answer, Problem)
            for one in answer.packages
        }
        found = self._keep(grant, sealed)
        if found is None:
            raise Problem(
                Category.NOT_FOUND,
                "GrantNotForUs",
                "no package of this grant opens by this member's key; ask the patient",
            )
        return found

    def _look(self, member: bytes) -> None:
        """Try every package that came to a member's vault since the last look; raises Problem."""
        more = True
        while more:
            after = int.from_bytes(self._desk.get(CURSOR, member) or b"", "big")
            found = self._office.ask(
                member, PACKAGE_LIST, PackagesAsked(after=after), PackagesFound
            )
            for one in found.packages:
                self._keep(one.grant, [one.sealed])
            newest = max((one.number for one in found.packages), default=after)
            if newest > after:
                self._desk.put(CURSOR, member, u64(newest))
            more = found.more and newest > after

    def _keep(self, grant: bytes, sealed: Iterable[bytes]) -> Received | None:
        """All keys of these packages and of what was kept before; they are kept from now on."""
        value = self._desk.get(RECEIVED, grant)
        before = None if value is None else codec.decode(value, Package)
        opened = [self._open(grant, one) for one in sealed]
        packages = [one for one in (before, *opened) if one is not None]
        if not packages:
            return None
        package = _joined(packages)
        if package != before:
            self._desk.put(RECEIVED, grant, codec.encode(package))
        return Received(grant, read_terms(package.terms), package)

    def _open(self, grant: bytes, sealed: bytes) -> Package | None:
        """The package, or None if it is not for this member or not of this grant."""
        try:
            plain = self._office.keys.sealing.unseal(sealed, "package", self._office.network, grant)
            package = unpack_package(plain)
            terms = read_terms(package.terms)
        except (SealRefused, PaddingRefused, codec.Malformed):
            return None
        row = consent.grant(self._office.view(), grant)
        is_ours = terms.grant == grant and terms.reader.member == self._office.member
        if row is None or row.commitment != commitment(package.terms) or not is_ours:
            return None
        return package


def _joined(packages: Sequence[Package]) -> Package:
    """The first package with the keys that later ones add."""
    keys: dict[tuple[bytes, int], TagSeeds] = {}
    for package in packages:
        for seeds in package.keys:
            keys.setdefault((seeds.tag, seeds.generation), seeds)
    return msgspec.structs.replace(packages[0], keys=[keys[place] for place in sorted(keys)])


def _read(grant: bytes, value: bytes) -> Received:
    package = codec.decode(value, Package)
    return Received(grant, read_terms(package.terms), package)
