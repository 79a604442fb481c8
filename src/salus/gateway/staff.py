"""
The member's people: registered on the ledger by two issuers, so that every act names a person.

In a demo the gateway holds the issuers' and practitioners' keys; production staff sign by card or
passkey, and only their registrations stand here.
"""

import os

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import domain_hash
from salus.base.signing import SigningKey
from salus.base.types import DAY_MS, U16, Hash32, Id16
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.modules.members import queries as members
from salus.modules.members import rules
from salus.modules.members.messages import RegisterPractitioner, Voucher
from salus.modules.members.rules import Claim

ISSUER = "issuer"
PERSON = "practitioner"
"""Kinds of the desk's items."""

PHYSICIAN = 1
"""Role number of a physician."""

ISSUERS_NEEDED = 2
"""Who vouch for a person (corrections 4)."""

YEAR_MS = 365 * DAY_MS


class Person(Struct, frozen=True):
    """A practitioner this gateway acts for."""

    id: Id16
    name: str
    role: U16
    seed: Hash32
    """Of the person's signing key; demo only."""


class Staff:
    """The member's practitioners."""

    def __init__(self, office: Office, desk: Desk) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk

    def keep_issuer(self, person: Person) -> None:
        """Remember an issuer of the genesis file; demo only."""
        self._desk.put(ISSUER, person.id, codec.encode(person))

    def all(self) -> list[Person]:
        """Everybody registered here whose registration stands on the ledger."""
        view = self._office.view()
        return [one for one in self._known() if members.practitioner(view, one.id) is not None]

    def one(self, practitioner: bytes | None) -> Person:
        """A person by id, or the first; raises Problem PractitionerUnknown."""
        people = [one for one in self.all() if practitioner in (None, one.id)]
        if not people:
            raise Problem(
                Category.NOT_FOUND,
                "PractitionerUnknown",
                "expected the id of a practitioner registered here; see `members`",
            )
        return people[0]

    def register(self, name: str, role: int = PHYSICIAN) -> Person:
        """
        Register a person by two issuers; who is known by that name is returned as they are.

        Raises Problem IssuersMissing, and what the ledger refuses.
        """
        person = next((one for one in self._known() if one.name == name), None)
        if person is None:
            person = Person(id=os.urandom(16), name=name, role=role, seed=os.urandom(32))
            # Before the ledger: a registration whose key was lost would stand there for a year.
            self._desk.put(PERSON, person.id, codec.encode(person))
        if members.practitioner(self._office.view(), person.id) is None:
            self._office.submit([self._registration(person)])
        return person

    def _known(self) -> list[Person]:
        return [codec.decode(value, Person) for _, value in self._desk.all(PERSON)]

    def _registration(self, person: Person) -> RegisterPractitioner:
        key = SigningKey(person.seed)
        now_ms = self._office.view().time_ms
        credential = domain_hash("credential", os.urandom(16), person.name.encode())
        claim = Claim(
            id=person.id,
            role=person.role,
            key=key.public,
            credential=credential,
            from_ms=now_ms,
            until_ms=now_ms + YEAR_MS,
        )
        data = rules.claim_bytes(self._office.network, self._office.member, claim)
        issuers = [codec.decode(value, Person) for _, value in self._desk.all(ISSUER)]
        if len(issuers) < ISSUERS_NEEDED:
            raise Problem(
                Category.UNSUPPORTED,
                "IssuersMissing",
                "two issuers must vouch for a person, and their keys are not here",
            )
        vouchers = [
            Voucher(id=issuer.id, sig=SigningKey(issuer.seed).sign(data))
            for issuer in issuers[:ISSUERS_NEEDED]
        ]
        return RegisterPractitioner(
            id=claim.id,
            role=claim.role,
            key=claim.key,
            credential=claim.credential,
            from_ms=claim.from_ms,
            until_ms=claim.until_ms,
            issuers=vouchers,
            proof=key.sign(data),
        )
