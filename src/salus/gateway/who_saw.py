"""
Who saw: every release of a patient's shares, as the witnesses logged it before they answered.

Each line is checked: its place in the witness's signed log, and its leaf under the intent on the
ledger. With answers of fewer than n - f witnesses the list says that it may be incomplete.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from salus.base import codec, merkle
from salus.base.errors import Category, Problem
from salus.base.signing import SignatureRefused
from salus.client.wallet import Compartment, CompartmentKeys
from salus.gateway.keyring import Keyring
from salus.gateway.office import Office
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.node.witness.messages import (
    RELEASES,
    FoundEntry,
    LogHead,
    ReleaseEntry,
    ReleasesAsk,
    ReleasesAsked,
    ReleasesFound,
    session_of,
)
from salus.sealed import acts
from salus.sealed.grants import Leaf

SERVICE = 4
"""Use of the key that signs a witness's log head."""


@dataclass
class Line:
    """One session that opened something of this patient."""

    time_ms: int
    """Block time of the intent."""

    member: bytes
    practitioner: bytes | None
    purpose: str
    grant: bytes
    compartments: set[int] = field(default_factory=set)
    groups: set[tuple[bytes, int]] = field(default_factory=set)
    """(batch, group) whose shares left: what could be opened."""

    witnesses: set[bytes] = field(default_factory=set)
    """Who says so."""


@dataclass(frozen=True)
class Disclosures:
    """All lines, and how far they can be trusted to be all."""

    lines: list[Line]
    answered: int
    """Witnesses that answered for every tag."""

    seats: int

    @property
    def complete(self) -> bool:
        """Whether n - f witnesses answered: then none that opened is missing."""
        return self.answered >= self.seats - (self.seats - 1) // 3


class WhoSaw:
    """Asks the witnesses in a patient's name."""

    def __init__(self, office: Office, keyring: Keyring) -> None:
        """Of the gateway that has the patient's keys in custody."""
        self._office = office
        self._keyring = keyring

    def of(self, patient: bytes) -> Disclosures:
        """Everything that left for this patient, newest first; raises Problem PatientUnknown."""
        person = self._keyring.patient(patient)
        if person is None:
            raise Problem(
                Category.NOT_FOUND, "PatientUnknown", "expected a handle that `patients` lists"
            )
        seats = consent.seats(self._office.view())
        witnesses = [] if seats is None else [holder.member for holder in seats.holders]
        lines: dict[bytes, Line] = {}
        silent: set[bytes] = set()
        for number in Compartment:
            keys = person.wallet.compartment(number)
            for witness in witnesses:
                try:
                    for entry in self._entries(witness, keys):
                        _merge(lines, entry, witness, number)
                except Problem:
                    silent.add(witness)
        ordered = sorted(lines.values(), key=lambda line: line.time_ms, reverse=True)
        return Disclosures(ordered, len(witnesses) - len(silent), len(witnesses))

    def _entries(self, witness: bytes, keys: CompartmentKeys) -> Iterator[ReleaseEntry]:
        """One witness's lines about one tag, each checked; raises Problem."""
        after: int | None = 0
        while after is not None:
            ask = ReleasesAsk(
                after=after, created_ms=self._office.now_ms(), to=witness, tag=keys.tag
            )
            signed = acts.sign(keys.control(0), self._office.network, ask)
            body = codec.encode(ReleasesAsked(ask=signed.data, signature=signed.signature))
            found = codec.decode(self._office.ask(witness, RELEASES, body), ReleasesFound)
            head = self._head(witness, found)
            for one in found.entries:
                yield self._checked(one, head)
            after = found.next

    def _head(self, witness: bytes, found: ReleasesFound) -> LogHead:
        """The log's head, signed by the witness; raises Problem LogUnsigned."""
        view = self._office.view()
        for key in members.keys(view, witness, SERVICE, view.time_ms):
            try:
                return acts.check(LogHead, key, self._office.network, found.head, found.signature)
            except (SignatureRefused, codec.Malformed):
                continue
        raise _unverified("LogUnsigned", "a witness's log head is not signed by it")

    def _checked(self, one: FoundEntry, head: LogHead) -> ReleaseEntry:
        """The line, if it stands in the log and its leaf under the posted intent."""
        entry = codec.decode(one.entry, ReleaseEntry)
        intent = consent.intents(self._office.view(), entry.member, entry.sequence)
        try:
            root = merkle.root_from_path(
                merkle.leaf_hash(one.entry), one.number, head.size, one.path
            )
            leaf = merkle.leaf_hash(entry.leaf)
            posted = merkle.root_from_path(
                leaf, entry.index, 1 if intent is None else intent.leaves, entry.path
            )
        except merkle.PathRefused as error:
            raise _unverified("LineNotProven", str(error)) from None
        if root != head.root or (intent is not None and posted != intent.root):
            raise _unverified("LineNotProven", "a line is not in the log, or not announced")
        return entry


def _merge(lines: dict[bytes, Line], entry: ReleaseEntry, witness: bytes, number: int) -> None:
    session = session_of(entry.member, entry.sequence, entry.index)
    leaf = codec.decode(entry.leaf, Leaf)
    line = lines.setdefault(
        session,
        Line(
            time_ms=entry.intent_ms,
            member=entry.member,
            practitioner=leaf.practitioner,
            purpose=leaf.purpose,
            grant=entry.subject,
        ),
    )
    line.compartments.add(number)
    line.witnesses.add(witness)
    line.groups.update((one.batch, group) for one in entry.batches for group in one.groups)


def _unverified(name: str, text: str) -> Problem:
    return Problem(Category.UNVERIFIED, name, f"{text}; do not rely on this witness")
