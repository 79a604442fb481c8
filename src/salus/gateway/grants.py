"""
What a patient allows: terms, openings and seeds to one reader, and their end.

The patient's keys sign; this gateway holds them in custody and carries the acts. On the ledger are
a commitment, the grant's own key and its end; everything else is sealed to the reader.

Every act has two halves, ledger and vaults. The desk remembers what is half done, and `resume`
finishes it after a crash.
"""

import threading
from collections.abc import Sequence

import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem, Refusal
from salus.base.types import Hash32, Id16, MemberId, TimeMs
from salus.client.submit import is_final, name_of
from salus.client.wallet import CompartmentKeys, Wallet
from salus.gateway.delivery import Delivery
from salus.gateway.desk import Desk
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.office import Office
from salus.gateway.sheets import Sheets
from salus.gateway.terms import HOUSE, GrantAsked, checked, terms_of
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PutGrant, RevokeGrant, StopTag
from salus.node.mempool import Done
from salus.sealed import acts
from salus.sealed.acts import StopTagAct
from salus.sealed.grants import PutGrantAct, RevokeGrantAct, Terms, commitment

__all__ = ["HOUSE", "Given", "GrantAsked", "Grants"]

log = structlog.get_logger()

GIVEN = "grant"
HAND_OVER = "grant-hand-over"
RENEW = "grant-renew"
"""Kinds of the desk's items: grants given here; packages, and new keys after an end, still due."""


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
    """Gives, lists and ends grants for patients in custody; one act at a time."""

    def __init__(self, office: Office, desk: Desk, keyring: Keyring) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk
        self._keyring = keyring
        self._sheets = Sheets(office)
        self._delivery = Delivery(office)
        # A tag's acts are numbered without a gap: two at once would both be the next.
        self._acting = threading.Lock()

    def give(self, asked: GrantAsked) -> Given:
        """
        Put a grant on the ledger and its package into the vaults; effective when this returns.

        Raises Problem PatientUnknown, NothingGranted, CompartmentUnknown, MemberUnknown,
        UntilNotInFuture, WindowWrong, TermsInvalid, and what the ledger refuses.
        """
        keys = self._keys(asked)
        root = self._root(asked.patient)
        self._check_reader(asked.to)
        with self._acting:
            terms = terms_of(self._office, asked, keys, Wallet(root))
            self._sheets.publish(keys)
            given = Given(
                grant=terms.grant,
                patient=asked.patient,
                root=root,
                terms=codec.encode(terms),
                to=asked.to,
                until_ms=terms.until_ms,
            )
            self._put(given, terms)
            self._hand_over(given)
        return given

    def revoke(self, grant: bytes) -> Done:
        """
        End a grant now: from its block on no witness gives a share.

        Then, for all that is written later, the tags take new keys, and the readers who remain are
        handed the new seeds; what fails of that is done again by `resume`. Raises Problem
        GrantUnknown, and what the ledger refuses.
        """
        given = self._given(grant)
        with self._acting:
            done = self._end(given)
            try:
                self._renew(given)
            except (Problem, Refusal) as error:
                # The grant is ended; that alone is what was asked.
                log.warning("grants.renewal_waits", reason=name_of(error))
        return done

    def stop(self, patient: bytes, compartments: Sequence[int]) -> Done:
        """
        Stop everything on these compartments: every grant and link on them is dead.

        Raises Problem PatientUnknown, NothingGranted, CompartmentUnknown, and what the ledger
        refuses.
        """
        wallet = self._patient(patient).wallet
        messages = []
        with self._acting:
            for number in checked(compartments):
                keys = wallet.compartment(number)
                row = self._office.tag(keys.tag)
                if row is None:
                    continue
                act = StopTagAct(era=row.era + 1, sequence=row.sequence + 1, tag=keys.tag)
                signed = acts.sign(keys.control(0), self._office.network, act)
                messages.append(StopTag(act=signed.data, signature=signed.signature))
            return self._office.submit(messages)

    def all(self) -> list[tuple[Given, str]]:
        """Every grant given here, with its state now: active, ended, revoked."""
        return [(given, status) for given, status in self._known() if status != "unknown"]

    def resume(self) -> None:
        """Do what a crash or an absent member left undone; raises the last Problem of those."""
        failed: Problem | Refusal | None = None
        with self._acting:
            for given, status in self._known():
                try:
                    self._resume(given, status)
                except (Problem, Refusal) as error:
                    failed = error
        if failed is not None:
            raise failed

    def _resume(self, given: Given, status: str) -> None:
        if status == "revoked" and self._desk.get(RENEW, given.grant) is not None:
            self._renew(given)
        if status == "active" and self._desk.get(HAND_OVER, given.grant) is not None:
            self._hand_over(given)

    def _put(self, given: Given, terms: Terms) -> None:
        """Put the grant on the ledger: remembered before, forgotten if it is refused."""
        key = Wallet(given.root).grant_key(given.grant)
        act = PutGrantAct(
            commitment=commitment(given.terms),
            grant=given.grant,
            grant_key=key.public,
            until_ms=terms.until_ms,
        )
        signed = acts.sign(key, self._office.network, act)
        self._desk.change(
            [(GIVEN, given.grant, codec.encode(given)), (HAND_OVER, given.grant, b"")]
        )
        try:
            self._office.submit([PutGrant(act=signed.data, signature=signed.signature)])
        except (Problem, Refusal) as error:
            if is_final(error):
                self._desk.change([], [(GIVEN, given.grant), (HAND_OVER, given.grant)])
            raise

    def _end(self, given: Given) -> Done:
        """Revoke on the ledger; that new keys are due is remembered before."""
        key = Wallet(given.root).grant_key(given.grant)
        signed = acts.sign(key, self._office.network, RevokeGrantAct(grant=given.grant))
        was_due = self._desk.get(RENEW, given.grant) is not None
        self._desk.put(RENEW, given.grant, b"")
        try:
            return self._office.submit([RevokeGrant(act=signed.data, signature=signed.signature)])
        except (Problem, Refusal) as error:
            if is_final(error) and not was_due:
                self._desk.delete(RENEW, given.grant)
            raise

    def _hand_over(self, given: Given) -> None:
        """Give the reader terms, openings and all seeds; noted as done when it is."""
        terms = codec.decode(given.terms, Terms)
        keys = self._keys_of(given, terms)
        self._delivery.hand_over(given.to, terms, given.terms, keys)
        self._desk.delete(HAND_OVER, given.grant)

    def _renew(self, given: Given) -> None:
        """Give the tags of an ended grant new keys, and these to the readers whose grants go on."""
        terms = codec.decode(given.terms, Terms)
        self._sheets.renew(self._keys_of(given, terms))
        tags = {item.tag for item in terms.items}
        due = [one for one in self._active() if tags & _tags(one)]
        self._desk.change(
            [(HAND_OVER, one.grant, b"") for one in due], deletes=[(RENEW, given.grant)]
        )
        for one in due:
            self._hand_over(one)

    def _active(self) -> list[Given]:
        return [given for given, status in self._known() if status == "active"]

    def _known(self) -> list[tuple[Given, str]]:
        view = self._office.view()
        return [
            (given, str(consent.grant_status(view, given.grant, view.time_ms)))
            for _, value in self._desk.all(GIVEN)
            for given in [codec.decode(value, Given)]
        ]

    def _check_reader(self, member: bytes) -> None:
        if not self._office.is_active(member):
            raise Problem(
                Category.NOT_FOUND,
                "MemberUnknown",
                "expected the id of an active member as reader; see `members`",
            )

    def _keys(self, asked: GrantAsked) -> list[CompartmentKeys]:
        if asked.patient == HOUSE:
            return [self._keyring.house]
        wallet = self._patient(asked.patient).wallet
        return [wallet.compartment(number) for number in checked(asked.compartments)]

    def _keys_of(self, given: Given, terms: Terms) -> list[CompartmentKeys]:
        if given.patient == HOUSE:
            return [self._keyring.house]
        return [
            patient.wallet.compartment(number)
            for item in terms.items
            if (found := self._keyring.by_tag(item.tag)) is not None
            for patient, number in [found]
        ]

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


def _tags(given: Given) -> set[bytes]:
    return {item.tag for item in codec.decode(given.terms, Terms).items}
