"""
Sealed containers to members' vaults, their receipts to the ledger.

A batch counts only with the receipts of enough members: nothing is committed that one lost hospital
could lose. All containers of one import step are committed by one transaction: all or none.

What is sent is kept on the desk until its end is known, together with what to remember then: after
a crash the same bytes are sent again, and one transaction comes of it (`interop.md` §5.3).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import NamedTuple

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem, Refusal
from salus.base.limits import RECEIPT_AGE_MS_MAX
from salus.base.signing import SignatureRefused
from salus.client.seal import Sealed, Seats
from salus.client.submit import NONCE_USED, is_final, name_of
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.machine.context import StateView
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
from salus.modules.records import queries as records
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.node.mempool import Done
from salus.node.vault.messages import PUT, PutAsked, SignedReceipt
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt, check_receipt

OWN = "batch"
"""Kind of the desk's items that name the member's own committed batches: batch -> root."""

INFLIGHT = "inflight"
THE_ONE = b"batch"
"""Kind and key of what was sent and whose end is unknown; there is never more than one."""

TRIES = 3
"""A tag's generation or the seats may change between sealing and commit: seal anew so often."""

STALE = (
    "GenerationNotCurrent",
    "SeatsNotCurrent",
    "ReceiptTooOld",
    "TransactionExpired",
    NONCE_USED,
)
"""Answers that sealing anew mends (V8, V4, and the ledger's)."""

TRANSIENT = (Category.UNAVAILABLE, Category.BUSY, Category.UNKNOWN_OUTCOME)
"""What a later try may mend."""

Items = Sequence[tuple[str, bytes, bytes]]
"""(kind, key, value) for the desk."""


Seal = Callable[[Seats], Sequence[Sealed]]
"""Seals what is to be committed together, for the witnesses of the day."""


class _Item(Struct, frozen=True):
    """One of the desk's items."""

    key: bytes
    kind: str
    value: bytes


class _Inflight(Struct, frozen=True):
    """A transaction that was sent, and what to remember once it is final."""

    envelope: bytes
    items: list[_Item]


class _Stored(NamedTuple):
    """Containers that enough members hold."""

    messages: list[CommitBatch]
    own: Items


class Batches:
    """The author's side of batches; one commit at a time, the next may be stored meanwhile."""

    def __init__(self, office: Office, desk: Desk) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk
        self._committing = threading.Lock()

    def commit(self, seal: Seal, items: Items = ()) -> Future[Done]:
        """
        Seal and store with the members now, commit beside; its end when the transaction is final.

        `seal` is called again, then beside, when the answers say that what it saw is no longer
        current; `items` go to the desk in the same step in which the end is remembered. One is sent
        at a time. Raises, here or by the end: Problem QuorumMissing, NoSeats, what members or
        ledger refused, or UnknownOutcome: then `settle` finds out, and nothing else is sent before.
        """
        try:
            stored = self._store(seal)
        except (Problem, Refusal) as error:
            if name_of(error) not in STALE:
                raise
            stored = None
        return self._office.beside(lambda: self._finish(stored, seal, items))

    def settle(self) -> None:
        """Learn the end of what was sent before and not heard of; raises Problem if still open."""
        with self._committing:
            self._settle()

    def _finish(self, stored: _Stored | None, seal: Seal, items: Items) -> Done:
        """Commit what is stored, after what was sent before; seal and store anew what is stale."""
        with self._committing:
            self._settle()
            for _ in range(TRIES):
                try:
                    return self._end(self._signed(stored or self._store(seal), items))
                except (Problem, Refusal) as error:
                    if name_of(error) not in STALE:
                        raise
                stored = None
        raise Problem(Category.CONFLICT, "KeysKeepChanging", "try again in a minute")

    def _store(self, seal: Seal) -> _Stored:
        seats = self._seats()
        sealed = seal(seats)
        own = [(OWN, one.batch, one.root) for one in sealed]
        return _Stored([self._hand_out(one, seats) for one in sealed], own)

    def _signed(self, stored: _Stored, items: Items) -> _Inflight:
        """The transaction, on disk before it is sent."""
        kept = [
            _Item(kind=kind, key=key, value=value) for kind, key, value in (*items, *stored.own)
        ]
        sent = _Inflight(envelope=self._office.sign(stored.messages), items=kept)
        self._desk.put(INFLIGHT, THE_ONE, codec.encode(sent))
        return sent

    def _settle(self) -> None:
        value = self._desk.get(INFLIGHT, THE_ONE)
        if value is None:
            return
        try:
            self._end(codec.decode(value, _Inflight))
        except (Problem, Refusal) as error:
            if not is_final(error):
                raise

    def _end(self, sent: _Inflight) -> Done:
        """Send, and remember what became of it."""
        try:
            done = self._office.send(sent.envelope)
        except (Problem, Refusal) as error:
            if is_final(error):
                self._desk.delete(INFLIGHT, THE_ONE)
            raise
        self._desk.change(
            [(item.kind, item.key, item.value) for item in sent.items],
            deletes=[(INFLIGHT, THE_ONE)],
        )
        return done

    def _seats(self) -> Seats:
        """The witnesses of the day and their sealing keys; raises Problem NoSeats."""
        current = consent.seats_current(self._office.view())
        if current is None:
            raise Problem(
                Category.UNAVAILABLE, "NoSeats", "no witnesses are set; vote consent.set_seats"
            )
        version, row = current
        # A witness that is suspended today may hold its seat again tomorrow: it gets its share.
        holders = tuple((one.x, self._office.sealing_key(one.member)) for one in row.holders)
        return Seats(version=version, threshold=row.threshold, holders=holders)

    def _hand_out(self, sealed: Sealed, seats: Seats) -> CommitBatch:
        """Hand the container to every member; the message with the receipts that hold."""
        answers = self._office.ask_all(
            self._office.members(), PUT, PutAsked(container=sealed.container), SignedReceipt
        )
        # A receipt names the block its giver had; the own copy may not have that one yet.
        view = self._office.view_at(_newest_checked(answers))
        roles: dict[bytes, int] = {}
        receipts = []
        for member, answer in sorted(answers.items()):
            if isinstance(answer, Problem):
                continue
            receipt = _sound(view, self._office.member, sealed, member, answer)
            if receipt is not None:
                roles[member] = receipt.roles
                receipts.append(
                    MemberReceipt(member=member, receipt=answer.receipt, signature=answer.signature)
                )
        self._check_enough(view, roles, seats, answers)
        return CommitBatch(
            batch=sealed.batch,
            bytes=sealed.padded_bytes,
            receipts=receipts,
            root=sealed.root,
            seats=seats.version,
        )

    def _check_enough(
        self,
        view: StateView,
        roles: Mapping[bytes, int],
        seats: Seats,
        answers: Mapping[bytes, SignedReceipt | Problem],
    ) -> None:
        """Check that the ledger will take these receipts; raises why members said no."""
        stored = sum(1 for role in roles.values() if role & STORED)
        shares = sum(1 for role in roles.values() if role & SHARE_ACCEPTED)
        copies = records.copies_needed(view)
        if stored >= copies and shares >= seats.threshold:
            return
        said = [
            answer
            for answer in answers.values()
            if isinstance(answer, Problem) and answer.category not in TRANSIENT
        ]
        # One more than may lie: else a single member could blame a document.
        if len(said) > (len(answers) - 1) // 3:
            raise said[0]
        raise Problem(
            Category.UNAVAILABLE,
            "QuorumMissing",
            f"{stored} members stored the batch and {shares} took their shares, {copies} and "
            f"{seats.threshold} are needed; nothing was committed: see which nodes are down, then "
            "try again",
        )


def _newest_checked(answers: Mapping[bytes, SignedReceipt | Problem]) -> int:
    """The newest block time that receipts claim, sound or not; 0 if there are none."""
    newest = 0
    for answer in answers.values():
        if isinstance(answer, SignedReceipt):
            with suppress(codec.Malformed):
                newest = max(newest, codec.decode(answer.receipt, StorageReceipt).checked)
    return newest


def _sound(
    view: StateView, author: bytes, sealed: Sealed, member: bytes, answer: SignedReceipt
) -> StorageReceipt | None:
    """The receipt, if the ledger will take it: one bad receipt would refuse the whole commit."""
    for key in members.keys(view, member, SERVICE, view.time_ms):
        try:
            receipt = check_receipt(key, view.network, answer.receipt, answer.signature)
        except (codec.Malformed, SignatureRefused):
            continue
        said = (receipt.chain, receipt.author, receipt.batch, receipt.root, receipt.bytes)
        true = (view.network, author, sealed.batch, sealed.root, sealed.padded_bytes)
        is_timely = view.time_ms - RECEIPT_AGE_MS_MAX < receipt.checked <= view.time_ms
        return receipt if said == true and is_timely else None
    return None
