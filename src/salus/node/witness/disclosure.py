"""
Who saw: a witness's answer to the key of a tag or of a grant (`patient-control.md` §5.10).

Every line comes with its proof to a head that the witness signs, and the head with its proof to
the newest anchor: a witness that hides or rewrites lines contradicts the ledger or itself.
"""

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.base.limits import RELEASES_ANSWER_MAX
from salus.base.signing import SignatureRefused
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.state import RELEASES
from salus.node.ledger import Ledger
from salus.node.peers import AGE_MS_MAX, Identity
from salus.node.ports import Clock
from salus.node.witness.messages import (
    FoundEntry,
    LogHead,
    ReleasesAsk,
    ReleasesAsked,
    ReleasesFound,
)
from salus.node.witness.release_log import ReleaseLog
from salus.sealed import acts
from salus.sealed.acts import Signed


class Disclosure:
    """Finds lines and proves them."""

    def __init__(self, ledger: Ledger, identity: Identity, log: ReleaseLog, clock: Clock) -> None:
        """`identity`: whose service key signs the heads."""
        self._ledger = ledger
        self._identity = identity
        self._log = log
        self._clock = clock

    def find(self, asked: ReleasesAsked) -> ReleasesFound:
        """
        Give the lines of a tag or grant from a number on, at most 500.

        Raises Problem AskMalformed, AskMisdirected, AskTooOld, SubjectUnknown, AskUnsigned.
        """
        view = self._ledger.view()
        ask = self._check(view, asked)
        anchor = consent.anchor(view, self._identity.member, RELEASES)
        anchored, size = 0 if anchor is None else anchor.size, self._log.size
        numbers = [number for number in self._numbers(ask) if number < size]
        head = self._head(view, size)
        return ReleasesFound(
            anchored=anchored,
            consistency=self._log.consistency(anchored, size),
            entries=[self._entry(number, size) for number in numbers[:RELEASES_ANSWER_MAX]],
            head=head.data,
            signature=head.signature,
            next=numbers[RELEASES_ANSWER_MAX] if len(numbers) > RELEASES_ANSWER_MAX else None,
        )

    def _check(self, view: View, asked: ReleasesAsked) -> ReleasesAsk:
        try:
            ask = codec.decode(asked.ask, ReleasesAsk)
        except Malformed as error:
            raise Problem(Category.MALFORMED, "AskMalformed", str(error)) from None
        if ask.to != self._identity.member:
            raise Problem(
                Category.UNAUTHENTICATED, "AskMisdirected", "the question names another witness"
            )
        if abs(self._clock.now_ms() - ask.created_ms) > AGE_MS_MAX:
            raise Problem(
                Category.UNAUTHENTICATED,
                "AskTooOld",
                "the question's time is off by more than a minute; check the clock and ask anew",
            )
        try:
            acts.check_signature(
                ReleasesAsk, _key_of(view, ask), view.network, asked.ask, asked.signature
            )
        except SignatureRefused:
            raise Problem(
                Category.FORBIDDEN,
                "AskUnsigned",
                "expected the signature of the tag's control key, or of the grant key",
            ) from None
        return ask

    def _numbers(self, ask: ReleasesAsk) -> list[int]:
        limit = RELEASES_ANSWER_MAX + 1
        if ask.tag is not None:
            return self._log.index.numbers_of_tag(ask.tag, ask.after, limit)
        return self._log.index.numbers_of_grant(ask.grant or b"", ask.after, limit)

    def _entry(self, number: int, size: int) -> FoundEntry:
        path = self._log.path(number, size)
        return FoundEntry(entry=self._log.entry(number), number=number, path=path)

    def _head(self, view: View, size: int) -> Signed:
        head = LogHead(
            chain=view.network,
            member=self._identity.member,
            root=self._log.root(size),
            size=size,
            time_ms=self._clock.now_ms(),
        )
        return acts.sign(self._identity.service, view.network, head)


def _key_of(view: View, ask: ReleasesAsk) -> bytes:
    """The key that may ask; raises Problem SubjectUnknown."""
    if ask.tag is not None:
        record = consent.tag(view, ask.tag)
        if record is not None:
            return record.control_key
    else:
        grant = consent.grant(view, ask.grant or b"")
        if grant is not None:
            return grant.grant_key
    raise Problem(
        Category.NOT_FOUND, "SubjectUnknown", "no such tag or grant on this witness's ledger"
    )
