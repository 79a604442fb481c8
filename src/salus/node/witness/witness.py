"""
A witness: releases its seat's shares only for a final intent under an active grant, and logs it.

It decides by the newest final block of its own ledger and by nothing else (`patient-control.md`
§5.4). Its clock is a guard against lag, never a right. What left is synced in the log before the
answer leaves the process.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from salus.base import codec, merkle
from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.base.signing import KeyRefused, SignatureRefused
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import AnchorLog
from salus.modules.consent.state import RELEASES as RELEASE_LOG
from salus.modules.consent.state import Intents
from salus.modules.records import queries as records
from salus.node.ledger import Ledger
from salus.node.peers import Identity
from salus.node.ports import REAL_DISK, Clock, Disk, end_process
from salus.node.tracing import traces
from salus.node.witness import log_record, reading
from salus.node.witness.answers import entries_of, share_of
from salus.node.witness.disclosure import Disclosure
from salus.node.witness.messages import ReleasesAsked, ReleasesFound, day_of_time, session_of
from salus.node.witness.reading import Asking, Denied, Shown, Window
from salus.node.witness.release_log import ReleaseLog
from salus.node.witness.shares import HeldShare, ShareStore
from salus.sealed import acts
from salus.sealed.grants import Leaf, Terms, commitment, read_terms
from salus.sealed.release import (
    NOT_COVERED,
    RELEASED,
    ReleaseAnswer,
    ReleaseRefusal,
    ReleaseRequest,
    Share,
    Want,
    check_path,
    refuse,
    release_place,
    seal_shares,
)

LAG_MS_MAX = 120_000
"""A tip older than this by the witness's clock decides nothing (W2)."""

RENEW_MS = 30_000
"""A tip older than this is renewed first: an idle ledger is no lagging one (corrections 9)."""

SESSIONS_MAX = 4_096
"""Sessions whose terms are remembered; a reader whose were forgotten shows them again."""

COMMITTED_MAX = 65_536
"""Batches known to be committed as this seat holds them; a committed batch never changes."""


class Witness:
    """One member's; any thread calls."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        identity: Identity,
        shares: ShareStore,
        clock: Clock,
        *,
        fresh_tip: Callable[[], None] | None = None,
        disk: Disk = REAL_DISK,
        die: Callable[[str], NoReturn] = end_process,
    ) -> None:
        """
        Open the log in `folder`, held to the anchor on the ledger.

        `fresh_tip`: lets an idle engine make a block and returns once the ledger has it.
        Raises Fault: release log damaged, or shorter than its anchor.
        """
        self._ledger = ledger
        self._identity = identity
        self._shares = shares
        self._clock = clock
        self._fresh_tip = fresh_tip
        self._shown: OrderedDict[bytes, Shown] = OrderedDict()
        self._busy: set[bytes] = set()
        self._committed: set[bytes] = set()
        self._lock = threading.Lock()
        # Held from the count of sessions to the log's sync: two sessions cannot both be the last.
        self._deciding = threading.Lock()
        self._log = ReleaseLog(folder, disk=disk, die=die)
        self._disclosure = Disclosure(ledger, identity, self._log, clock)
        self._check_anchor()

    @traces.spanned("witness.release")
    def release(self, sender: bytes, request: ReleaseRequest) -> ReleaseAnswer | ReleaseRefusal:
        """
        Answer one request with this seat's shares, or with the first W code that applies.

        `sender`: the member that asks. Raises Problem SessionBusy, SeatNotHeld.
        """
        session = session_of(request.member, request.sequence, request.index)
        with self._one_at_a_time(session):
            try:
                return self._release(sender, request, session)
            except Denied as denied:
                return refuse(denied.number, denied.since_ms)

    def releases(self, asked: ReleasesAsked) -> ReleasesFound:
        """Tell a tag's or a grant's key what left; see `Disclosure.find`."""
        return self._disclosure.find(asked)

    @property
    def log_size(self) -> int:
        """Number of entries in the release log."""
        return self._log.size

    @property
    def log_root(self) -> bytes:
        """RFC 6962 root over them; 32 B."""
        return self._log.root(self._log.size)

    def anchor(self) -> AnchorLog | None:
        """The message that fixes the log as it stands; None if the ledger has that already."""
        old = consent.anchor(self._ledger.view(), self._identity.member, RELEASE_LOG)
        anchored, size = 0 if old is None else old.size, self._log.size
        if size == anchored:
            return None
        proof = self._log.consistency(anchored, size)
        return AnchorLog(log=RELEASE_LOG, proof=proof, root=self._log.root(size), size=size)

    def verify_log(self) -> int:
        """
        Read the whole log anew and compare it with its tree and its anchor; number of entries.

        Raises Fault: release log damaged, or another one than was anchored.
        """
        frontier = merkle.Frontier()
        for record in self._log.records():
            for entry in record.entries:
                frontier.append(merkle.leaf_hash(entry))
        if frontier.root != self._log.root(frontier.size):
            raise log_record.damaged()
        self._check_anchor()
        return frontier.size

    def close(self) -> None:
        """Sync and close the log; the share store is closed by who opened it."""
        self._log.close()

    def _release(self, sender: bytes, request: ReleaseRequest, session: bytes) -> ReleaseAnswer:
        leaf, shown = _read(request)
        view = self._fresh_view()
        intents = self._check_intent(view, sender, request, leaf)
        ends_ms = intents.time_ms + leaf.session_ms
        if view.time_ms > ends_ms:
            raise Denied(4, ends_ms)
        asking = Asking(request.member, leaf.reader, leaf.practitioner, leaf.purpose)
        reading.check_people(view, asking)
        row = reading.subject(view, leaf.subject)
        shown = shown or self._remembered(session, request)
        reading.check_terms(view, leaf.subject, row, shown)
        reading.check_asking(view, shown.terms, asking)
        with self._deciding:
            self._check_sessions(shown.terms, intents, session)
            self._remember(session, shown)
            return self._answer(view, request, leaf, intents, shown)

    def _answer(
        self, view: View, request: ReleaseRequest, leaf: Leaf, intents: Intents, shown: Shown
    ) -> ReleaseAnswer:
        """Decide the wants, seal the shares, log what leaves; raises Denied W1, W16."""
        held = self._shares.find(request.wants)
        shares = self._decide(view, request.wants, held, reading.covered(view, shown))
        x = self._seat(view, held)
        place = release_place(leaf.intent, x, request.wants)
        try:
            sealed = seal_shares(leaf.session_key, view.network, place, shares)
        except KeyRefused:
            raise Denied(1) from None
        entries = entries_of(view, request, leaf, intents, held, shares)
        if entries and not self._log.append(entries):
            raise Denied(16)
        return ReleaseAnswer(height=view.height, shares=sealed)

    def _fresh_view(self) -> View:
        """The newest final block's state; raises Denied W2."""
        if self._fresh_tip is not None and self._age_ms() > RENEW_MS:
            self._fresh_tip()
        if self._age_ms() > LAG_MS_MAX:
            raise Denied(2, self._ledger.tip.time_ms)
        return self._ledger.view()

    def _age_ms(self) -> int:
        return self._clock.now_ms() - self._ledger.tip.time_ms

    def _check_intent(
        self, view: View, sender: bytes, request: ReleaseRequest, leaf: Leaf
    ) -> Intents:
        """Find the posted intent; raises Denied W3: none, another's, or the leaf is not in it."""
        row = consent.intents(view, request.member, request.sequence)
        if row is None or sender != request.member:
            raise Denied(3)
        try:
            check_path(request, row.root, row.leaves)
            if leaf.reader.wallet is not None:
                signature = request.leaf_signature or b""
                acts.check_signature(
                    Leaf, leaf.reader.wallet, view.network, request.leaf, signature
                )
        except (merkle.PathRefused, SignatureRefused):
            raise Denied(3) from None
        if leaf.reader.member not in (None, request.member) or leaf.chain != view.network:
            raise Denied(3)
        return row

    def _check_sessions(self, terms: Terms, intents: Intents, session: bytes) -> None:
        """Check the day's number of sessions under this grant here; raises Denied W13."""
        index = self._log.index
        day = day_of_time(intents.time_ms)
        if (
            not index.served(day, terms.grant, session)
            and index.sessions(day, terms.grant) >= terms.sessions_per_day
        ):
            raise Denied(13)

    def _remembered(self, session: bytes, request: ReleaseRequest) -> Shown:
        """The terms shown earlier in this session; raises Denied W7: none, or others."""
        with self._lock:
            shown = self._shown.get(session)
        if shown is None or shown.commitment != request.commitment:
            raise Denied(7)
        return shown

    def _remember(self, session: bytes, shown: Shown) -> None:
        with self._lock:
            self._shown[session] = shown
            self._shown.move_to_end(session)
            while len(self._shown) > SESSIONS_MAX:
                self._shown.popitem(last=False)

    def _decide(
        self,
        view: View,
        wants: Sequence[Want],
        held: Sequence[HeldShare | None],
        windows: Mapping[bytes, Window],
    ) -> list[Share]:
        """W14 is one answer: unknown, foreign, uncommitted, of an old era, outside the days."""
        return [
            share_of(RELEASED, found)
            if found is not None
            and found.tag in windows
            and windows[found.tag].holds(found.slot)
            and self._is_committed(view, want.batch)
            else share_of(NOT_COVERED, found)
            for want, found in zip(wants, held, strict=True)
        ]

    def _is_committed(self, view: View, batch: bytes) -> bool:
        """Whether the ledger has this batch under the very root the shares came with."""
        if batch in self._committed:
            return True
        row = records.batch(view, batch)
        held = self._shares.batch(batch)
        if row is None or held is None or row.root != held.root:
            return False
        if len(self._committed) >= COMMITTED_MAX:
            self._committed.clear()
        self._committed.add(batch)
        return True

    def _seat(self, view: View, held: Sequence[HeldShare | None]) -> int:
        """This member's seat number, for life; raises Problem SeatNotHeld."""
        seats = consent.seats(view)
        for holder in () if seats is None else seats.holders:
            if holder.member == self._identity.member:
                return holder.x
        for found in held:
            if found is not None:
                return found.x
        raise Problem(
            Category.NOT_FOUND,
            "SeatNotHeld",
            "this member is no witness; ask the seats that the batch names",
        )

    def _check_anchor(self) -> None:
        """Hold the log to what the ledger says it was; raises Fault."""
        old = consent.anchor(self._ledger.view(), self._identity.member, RELEASE_LOG)
        if old is not None and (old.size > self._log.size or old.root != self._log.root(old.size)):
            raise log_record.damaged()

    @contextmanager
    def _one_at_a_time(self, session: bytes) -> Iterator[None]:
        with self._lock:
            if session in self._busy:
                raise Problem(
                    Category.BUSY, "SessionBusy", "wait for the answer before asking again"
                )
            self._busy.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(session)


def _read(request: ReleaseRequest) -> tuple[Leaf, Shown | None]:
    """Read leaf and terms; raises Denied W1."""
    try:
        leaf = codec.decode(request.leaf, Leaf)
        if request.shown is None:
            return leaf, None
        terms = read_terms(request.shown.terms)
    except Malformed:
        raise Denied(1) from None
    openings = request.shown.openings
    if not reading.fitting(terms, openings):
        raise Denied(1)
    return leaf, Shown(commitment(request.shown.terms), terms, tuple(openings))
