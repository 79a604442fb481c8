"""
Sealed containers to members' vaults, their receipts to the ledger.

A batch counts only with the receipts of enough members: nothing is committed that one lost hospital
could lose. All containers of one import step are committed by one transaction: all or none.
"""

from collections.abc import Callable, Sequence

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.client.seal import Sealed, Seats
from salus.gateway.desk import Desk
from salus.gateway.office import Office
from salus.modules.consent import queries as consent
from salus.modules.records import queries as records
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.node.mempool import Done
from salus.node.vault.messages import PUT, PutAsked, SignedReceipt

OWN = "batch"
"""Kind of the desk's items that name the member's own committed batches."""

TRIES = 3
"""A tag's generation or the seats may change between sealing and storing: seal anew so often."""

STALE = ("GenerationNotCurrent", "SeatsNotCurrent")
"""Answers that sealing anew mends (V8, V4)."""


class Batches:
    """The author's side of batches."""

    def __init__(self, office: Office, desk: Desk) -> None:
        """Of one gateway."""
        self._office = office
        self._desk = desk

    def seats(self) -> Seats:
        """The witnesses of the day and their sealing keys; raises Problem NoSeats."""
        current = consent.seats_current(self._office.view())
        if current is None:
            raise Problem(
                Category.UNAVAILABLE, "NoSeats", "no witnesses are set; vote consent.set_seats"
            )
        version, row = current
        return Seats(
            version=version,
            threshold=row.threshold,
            holders=tuple(
                (holder.x, self._office.sealing_key(holder.member)) for holder in row.holders
            ),
        )

    def commit(self, seal: Callable[[], Sequence[Sealed]]) -> Done:
        """
        Seal, store with the members, and commit; returns when the transaction is final.

        `seal` is called again when the answers say that what it saw is no longer current. Raises
        Problem QuorumMissing, or what the ledger refused.
        """
        for attempt in range(TRIES):
            sealed = seal()
            try:
                messages = [self._stored(one, self.seats().version) for one in sealed]
            except Problem as problem:
                if problem.name in STALE and attempt + 1 < TRIES:
                    continue
                raise
            done = self._office.submit(messages)
            self._desk.put_all((OWN, one.batch, one.root) for one in sealed)
            return done
        raise Problem(Category.CONFLICT, "KeysKeepChanging", "try again in a minute")

    def _stored(self, sealed: Sealed, seats_version: int) -> CommitBatch:
        """Hand the container to every member; the message with the receipts that came."""
        members = self._office.members()
        answers = self._office.ask_all(
            members, PUT, codec.encode(PutAsked(container=sealed.container))
        )
        receipts = [
            MemberReceipt(member=member, receipt=stored.receipt, signature=stored.signature)
            for member, answer in sorted(answers.items())
            if isinstance(answer, bytes)
            for stored in [codec.decode(answer, SignedReceipt)]
        ]
        self._check_enough(len(receipts), [a for a in answers.values() if isinstance(a, Problem)])
        return CommitBatch(
            batch=sealed.batch,
            bytes=sealed.padded_bytes,
            receipts=receipts,
            root=sealed.root,
            seats=seats_version,
        )

    def _check_enough(self, found: int, problems: Sequence[Problem]) -> None:
        view = self._office.view()
        seats = consent.seats(view)
        needed = max(records.copies_needed(view), 0 if seats is None else seats.threshold)
        if found >= needed:
            return
        for problem in problems:
            if problem.category is not Category.UNAVAILABLE:
                raise problem
        raise Problem(
            Category.UNAVAILABLE,
            "QuorumMissing",
            f"{found} members stored the batch, {needed} are needed; nothing was committed: see "
            "which nodes are down, then try again",
        )
