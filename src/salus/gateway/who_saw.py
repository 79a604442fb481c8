"""
Who saw: every release of a patient's shares, as the witnesses logged it before they answered.

Each line is checked: its place in the witness's signed log, that log's growth from what the witness
anchored on the ledger, and the line's leaf under the intent on the ledger. A witness that fails a
check counts as silent. With answers of fewer than n - f witnesses the list says that it may be
incomplete: among so many one honest witness logged every opening.

Intents older than a member's last 16,384 stand in the log of transactions alone; their lines rest
on the witness's signed log.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from salus.base import codec, merkle
from salus.base.errors import Category, Problem
from salus.base.signing import SignatureRefused
from salus.client.wallet import Compartment, CompartmentKeys
from salus.gateway.keyring import Keyring, Patient
from salus.gateway.office import Office
from salus.machine.context import StateView
from salus.modules.consent import queries as consent
from salus.modules.consent.state import RELEASES as RELEASE_LOG
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
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

ANCHOR_TRIES = 5
ANCHOR_PAUSE_S = 0.05
"""How often, and after what pause, a witness is asked again whose anchor moved meanwhile."""


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
    """All lines, newest first, and how far they can be trusted to be all."""

    lines: list[Line]
    answered: int
    """Witnesses that answered for every tag, and truly."""

    seats: int
    silent: dict[bytes, Problem]
    """The other witnesses, and why each does not count: down, or a proof that does not hold."""

    @property
    def complete(self) -> bool:
        """Whether n - f witnesses answered: then none that opened is missing."""
        return self.seats > 0 and self.answered >= self.seats - (self.seats - 1) // 3


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
        answers = self._office.with_each(witnesses, lambda witness: self._all(witness, person))
        lines: dict[bytes, Line] = {}
        silent: dict[bytes, Problem] = {}
        for witness, answer in answers.items():
            if isinstance(answer, Problem):
                silent[witness] = answer
                continue
            for number, entry in answer:
                _merge(lines, entry, witness, number)
        ordered = sorted(lines.values(), key=lambda line: line.time_ms, reverse=True)
        return Disclosures(ordered, len(witnesses) - len(silent), len(witnesses), silent)

    def _all(self, witness: bytes, person: Patient) -> list[tuple[int, ReleaseEntry]]:
        """One witness's lines about all compartments; raises Problem."""
        return [
            (number, entry)
            for number in Compartment
            for entry in self._entries(witness, person.wallet.compartment(number))
        ]

    def _entries(self, witness: bytes, keys: CompartmentKeys) -> Iterator[ReleaseEntry]:
        """One witness's lines about one tag, each checked; raises Problem."""
        after: int | None = 0
        while after is not None:
            view, found = self._page(witness, keys, after)
            head = _head(view, witness, found)
            numbers = [one.number for one in found.entries]
            if numbers != sorted(set(numbers)) or (numbers and numbers[0] < after):
                raise _unverified("LineNotProven", "lines come twice, or out of order")
            for one in found.entries:
                yield _checked(view, one, head, keys.tag)
            if found.next is not None and found.next <= after:
                raise _unverified("CursorStuck", "a witness's pages do not advance")
            after = found.next

    def _page(
        self, witness: bytes, keys: CompartmentKeys, after: int
    ) -> tuple[StateView, ReleasesFound]:
        """One page, and a state with the anchor it grows from; raises Problem LogRewritten."""
        for _ in range(ANCHOR_TRIES):
            ask = ReleasesAsk(
                after=after, created_ms=self._office.now_ms(), to=witness, tag=keys.tag
            )
            signed = acts.sign(keys.control(0), self._office.network, ask)
            asked = ReleasesAsked(ask=signed.data, signature=signed.signature)
            found = self._office.ask(witness, RELEASES, asked, ReleasesFound)
            view = self._office.view()
            if found.anchored == _anchored(view, witness):
                return view, found
            # An anchor came while this was asked: one of the two copies has its block already.
            time.sleep(ANCHOR_PAUSE_S)
        raise _rewritten()


def _anchored(view: StateView, witness: bytes) -> int:
    anchor = consent.anchor(view, witness, RELEASE_LOG)
    return 0 if anchor is None else anchor.size


def _head(view: StateView, witness: bytes, found: ReleasesFound) -> LogHead:
    """The log's head, signed and grown from its anchor; raises LogUnsigned, LogRewritten."""
    head = _signed_head(view, witness, found)
    if (head.chain, head.member) != (view.network, witness):
        raise _unverified("LogUnsigned", "a witness's log head is of another log")
    anchor = consent.anchor(view, witness, RELEASE_LOG)
    if anchor is None:
        return head
    try:
        merkle.check_consistency(anchor.size, head.size, anchor.root, head.root, found.consistency)
    except merkle.PathRefused:
        raise _rewritten() from None
    return head


def _signed_head(view: StateView, witness: bytes, found: ReleasesFound) -> LogHead:
    for key in members.keys(view, witness, SERVICE, view.time_ms):
        try:
            return acts.check(LogHead, key, view.network, found.head, found.signature)
        except (SignatureRefused, codec.Malformed):
            continue
    raise _unverified("LogUnsigned", "a witness's log head is not signed by it")


def _checked(view: StateView, one: FoundEntry, head: LogHead, tag: bytes) -> ReleaseEntry:
    """The line, if it stands in the log, is of this tag, and its leaf was announced."""
    try:
        entry = codec.decode(one.entry, ReleaseEntry)
        leaf = codec.decode(entry.leaf, Leaf)
        in_log = merkle.root_from_path(merkle.leaf_hash(one.entry), one.number, head.size, one.path)
        is_announced = _is_announced(view, entry)
    except (merkle.PathRefused, codec.Malformed) as error:
        raise _unverified("LineNotProven", str(error)) from None
    if in_log != head.root or not is_announced:
        raise _unverified("LineNotProven", "a line is not in the log, or was not announced")
    if (entry.tag, entry.subject) != (tag, leaf.subject):
        raise _unverified("LineNotProven", "a line is about another tag or grant")
    return entry


def _is_announced(view: StateView, entry: ReleaseEntry) -> bool:
    """Whether leaf and time are those of the intent on the ledger, if that is still there."""
    row = consent.intents(view, entry.member, entry.sequence)
    if row is None:
        return entry.sequence <= consent.intent_count(view, entry.member)
    posted = merkle.root_from_path(
        merkle.leaf_hash(entry.leaf), entry.index, row.leaves, entry.path
    )
    return (posted, entry.intent_ms) == (row.root, row.time_ms)


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
    line.groups.update(_groups(entry))


def _groups(entry: ReleaseEntry) -> Sequence[tuple[bytes, int]]:
    return [(one.batch, group) for one in entry.batches for group in one.groups]


def _rewritten() -> Problem:
    return _unverified(
        "LogRewritten", "a witness's log does not grow from what it anchored on the ledger"
    )


def _unverified(name: str, text: str) -> Problem:
    return Problem(Category.UNVERIFIED, name, f"{text}; do not rely on this witness")
