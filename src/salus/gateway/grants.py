"""
What a patient allows: terms, openings and seeds to one reader, and their end.

The patient's keys sign; this gateway holds them in custody and carries the acts. On the ledger are
a commitment, the grant's own key and its end; everything else is sealed to the reader.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.sealing import seal
from salus.base.types import Hash32, Id16, MemberId, TimeMs
from salus.client.wallet import CompartmentKeys, Wallet
from salus.gateway.desk import Desk
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.office import Office
from salus.gateway.residual import labels_rule
from salus.gateway.sheets import Sheets
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PutGrant, RevokeGrant, StopTag
from salus.node.mempool import Done
from salus.node.vault.messages import PACKAGE_PUT, PackagePut
from salus.sealed import acts
from salus.sealed.acts import StopTagAct
from salus.sealed.days import DAY_MAX
from salus.sealed.grants import (
    Item,
    Package,
    PutGrantAct,
    Reader,
    RevokeGrantAct,
    TagSeeds,
    Terms,
    commitment,
    pack_package,
    sign_opening,
)

GIVEN = "grant"
"""Kind of the desk's items that remember grants given here."""

HOUR_MS = 3_600_000
SESSIONS_PER_DAY = 50


@dataclass(frozen=True)
class GrantAsked:
    """What the patient chooses."""

    patient: bytes
    """Handle; `HOUSE` for the member's own directory data."""

    to: bytes
    """The reading member."""

    compartments: Sequence[int]
    purposes: Sequence[str]
    """v3-ActReason, as TREAT."""

    until_ms: int
    """Rounded up to the hour."""

    first_day: int = 0
    last_day: int = DAY_MAX
    practitioners: Sequence[bytes] = ()
    """Empty: anybody of the reading member whose registration is valid."""


HOUSE = bytes(16)
"""Handle that stands for the member's own tag."""


class Given(Struct, frozen=True):
    """A grant given here."""

    grant: Id16
    patient: Id16
    root: Hash32
    """The wallet root the grant key comes from."""

    terms: bytes
    to: MemberId
    until_ms: TimeMs


class Grants:
    """Gives, lists and ends grants for patients in custody."""

    def __init__(self, office: Office, desk: Desk, keyring: Keyring) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk
        self._keyring = keyring
        self._sheets = Sheets(office)

    def give(self, asked: GrantAsked) -> Given:
        """
        Put a grant on the ledger and its package into the vaults; effective when this returns.

        Raises Problem PatientUnknown, NothingGranted, and what the ledger refuses.
        """
        keys = self._keys(asked)
        if not keys:
            raise Problem(
                Category.INVALID, "NothingGranted", "name at least one compartment to share"
            )
        self._sheets.publish(keys)
        root = self._root(asked.patient)
        terms = self._terms(asked, keys)
        key = Wallet(root).grant_key(terms.grant)
        data = codec.encode(terms)
        act = PutGrantAct(
            commitment=commitment(data),
            grant=terms.grant,
            grant_key=key.public,
            until_ms=terms.until_ms,
        )
        signed = acts.sign(key, self._office.network, act)
        given = Given(
            grant=terms.grant,
            patient=asked.patient,
            root=root,
            terms=data,
            to=asked.to,
            until_ms=terms.until_ms,
        )
        self._desk.put(GIVEN, given.grant, codec.encode(given))
        self._office.submit([PutGrant(act=signed.data, signature=signed.signature)])
        self._hand_over(given, terms, keys)
        return given

    def revoke(self, grant: bytes) -> Done:
        """
        End a grant now: from its block on no witness gives a share.

        Then, for all that is written later, the tags take new keys, and the readers who remain are
        handed the new seeds. Raises Problem GrantUnknown, and what the ledger refuses.
        """
        given = self._given(grant)
        key = Wallet(given.root).grant_key(grant)
        signed = acts.sign(key, self._office.network, RevokeGrantAct(grant=grant))
        done = self._office.submit([RevokeGrant(act=signed.data, signature=signed.signature)])
        tags = [item.tag for item in codec.decode(given.terms, Terms).items]
        self._sheets.renew([self._keys_of_tag(given, tag) for tag in tags])
        self._renew_readers(set(tags))
        return done

    def stop(self, patient: bytes, compartments: Sequence[int]) -> Done:
        """Stop everything on these compartments: every grant and link on them is dead."""
        messages = []
        for number in compartments:
            keys = self._patient(patient).wallet.compartment(number)
            row = self._office.tag(keys.tag)
            if row is None:
                continue
            act = StopTagAct(era=row.era + 1, sequence=row.sequence + 1, tag=keys.tag)
            signed = acts.sign(keys.control(0), self._office.network, act)
            messages.append(StopTag(act=signed.data, signature=signed.signature))
        return self._office.submit(messages)

    def all(self) -> list[tuple[Given, str]]:
        """Every grant given here, with its state now: active, ended, revoked."""
        view = self._office.view()
        return [
            (given, str(consent.grant_status(view, given.grant, view.time_ms)))
            for _, value in self._desk.all(GIVEN)
            for given in [codec.decode(value, Given)]
        ]

    def _terms(self, asked: GrantAsked, keys: Sequence[CompartmentKeys]) -> Terms:
        grant = os.urandom(16)
        now_ms = self._office.view().time_ms
        wallet = Wallet(self._root(asked.patient))
        items = [
            Item(era=row.era, first_day=asked.first_day, last_day=asked.last_day, tag=one.tag)
            for one in keys
            if (row := self._office.tag(one.tag)) is not None
        ]
        return Terms(
            chain=self._office.network,
            consent=bytes(32),
            from_ms=now_ms,
            grant=grant,
            grant_key=wallet.grant_key(grant).public,
            items=sorted(items, key=lambda item: item.tag),
            mode="view",
            practitioners=sorted(asked.practitioners),
            purposes=sorted(set(asked.purposes)),
            reader=Reader(member=asked.to),
            residual=labels_rule(asked.compartments),
            roles=[],
            salt=os.urandom(16),
            sessions_per_day=SESSIONS_PER_DAY,
            until_ms=-(-asked.until_ms // HOUR_MS) * HOUR_MS,
            v=1,
        )

    def _hand_over(self, given: Given, terms: Terms, keys: Sequence[CompartmentKeys]) -> None:
        """Seal openings and seeds to the reader, and put them into every member's vault."""
        by_tag = {one.tag: one for one in keys}
        package = Package(
            keys=[seeds for item in terms.items for seeds in self._seeds(by_tag[item.tag], item)],
            links=[],
            openings=[
                sign_opening(
                    by_tag[item.tag].control(0), self._office.network, given.terms, item.tag
                )
                for item in terms.items
            ],
            terms=given.terms,
        )
        sealed = seal(
            self._office.sealing_key(given.to),
            pack_package(package),
            "package",
            self._office.network,
            given.grant,
        )
        body = codec.encode(PackagePut(grant=given.grant, sealed=sealed))
        answers = self._office.ask_all(self._office.members(), PACKAGE_PUT, body)
        problems = [answer for answer in answers.values() if isinstance(answer, Problem)]
        if len(problems) == len(answers):
            raise problems[0]

    def _seeds(self, keys: CompartmentKeys, item: Item) -> list[TagSeeds]:
        """Seeds of every generation the tag has had, over the item's window."""
        row = self._office.tag(keys.tag)
        newest = 0 if row is None else row.generation
        return [
            TagSeeds(blocks=seeds.blocks, generation=generation, nodes=seeds.nodes, tag=keys.tag)
            for generation in range(newest + 1)
            for seeds in [keys.seeds(generation, item.first_day, item.last_day)]
        ]

    def _renew_readers(self, tags: set[bytes]) -> None:
        """Hand the new generation's seeds to the readers whose grants go on."""
        for given, status in self.all():
            terms = codec.decode(given.terms, Terms)
            if status == "active" and tags & {item.tag for item in terms.items}:
                keys = [self._keys_of_tag(given, item.tag) for item in terms.items]
                self._hand_over(given, terms, keys)

    def _keys(self, asked: GrantAsked) -> list[CompartmentKeys]:
        if asked.patient == HOUSE:
            return [self._keyring.house]
        wallet = self._patient(asked.patient).wallet
        return [wallet.compartment(number) for number in sorted(set(asked.compartments))]

    def _keys_of_tag(self, given: Given, tag: bytes) -> CompartmentKeys:
        if given.patient == HOUSE:
            return self._keyring.house
        found = self._keyring.by_tag(tag)
        if found is None:
            raise Problem(Category.NOT_FOUND, "TagUnknown", "the tag belongs to nobody here")
        patient, number = found
        return patient.wallet.compartment(number)

    def _root(self, patient: bytes) -> bytes:
        return self._office.keys.house if patient == HOUSE else self._patient(patient).root

    def _patient(self, handle: bytes) -> Patient:
        patient = self._keyring.patient(handle)
        if patient is None:
            raise Problem(
                Category.NOT_FOUND, "PatientUnknown", "expected a handle that `patients` lists"
            )
        return patient

    def _given(self, grant: bytes) -> Given:
        value = self._desk.get(GIVEN, grant)
        if value is None:
            raise Problem(
                Category.NOT_FOUND, "GrantUnknown", "expected a grant given here; see `grants`"
            )
        return codec.decode(value, Given)
