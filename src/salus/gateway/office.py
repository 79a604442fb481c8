"""
The gateway's way to its own node and, through it, to the other members.

It reads the ledger from the node's copy, signs the member's transactions, and asks members' doors.
Nothing plain leaves through here: containers, packages and leaves are sealed before. An answer that
does not decode is a Problem like any other: no member's bytes can break an opening.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.client.submit import Submitter, send_until_known
from salus.machine.context import StateView
from salus.machine.module import Message
from salus.machine.tables import NONCE
from salus.modules.consent import queries as consent
from salus.modules.consent.state import TagRecord
from salus.modules.members import queries as members
from salus.modules.members.state import SEALING
from salus.node.keys import MemberKeys
from salus.node.mempool import Done
from salus.node.node import Node
from salus.node.tracing import traces

T = TypeVar("T")
Kind = TypeVar("Kind", bound=Struct)

ASKED_AT_ONCE = 8
"""Members asked in parallel."""

BESIDE_MAX = 4
"""Works under way beside their callers: a pool's fill, an import's last commit and the next."""

CATCH_UP_S = 2.0
"""A member that has the newest block may be ahead of the own copy by its travel and its sync; one
that names a time to come costs its askers no more than this."""


class Office:
    """One gateway's; thread-safe."""

    def __init__(self, node: Node) -> None:
        """`node`: the member's own."""
        self._node = node
        self.network = node.ledger.network
        self.member = node.keys.member
        self._submitter = Submitter(
            self.network,
            node.keys.transaction,
            next_nonce=self._next_nonce,
            now_ms=node.clock.now_ms,
        )
        self._threads = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="office")
        self._beside = ThreadPoolExecutor(BESIDE_MAX, thread_name_prefix="office-beside")

    @property
    def keys(self) -> MemberKeys:
        """The member's secrets."""
        return self._node.keys

    def now_ms(self) -> int:
        """The wall clock."""
        return self._node.clock.now_ms()

    def view(self) -> StateView:
        """The ledger's state at the own node's tip."""
        return self._node.ledger.view()

    def view_at(self, time_ms: int) -> StateView:
        """The state once its block time has reached one that others named, or after two seconds."""
        ledger, end_s = self._node.ledger, self._node.clock.monotonic() + CATCH_UP_S
        tip = ledger.tip
        while tip.time_ms < time_ms and (left_s := end_s - self._node.clock.monotonic()) > 0:
            newer = ledger.wait_above(tip.height, left_s)
            if newer.height == tip.height:
                break
            tip = newer
        return ledger.view()

    def tag(self, tag: bytes) -> TagRecord | None:
        """A tag's row, or None."""
        return consent.tag(self.view(), tag)

    def submit(self, messages: Sequence[Message]) -> Done:
        """
        Sign and submit the member's transaction, and wait until it is final.

        Raises the Refusal that admission gave, or Problem with the receipt's number.
        """
        return self._accepted(self._submitter.submit(messages, self._node.ordering.submit))

    def sign(self, messages: Sequence[Message]) -> bytes:
        """The member's envelope, to be kept before it is sent; each has a nonce of its own."""
        return self._submitter.sign(messages)

    def send(self, envelope: bytes) -> Done:
        """Send a signed envelope, or send it again: it is done once; raises as `submit`."""
        return self._accepted(send_until_known(envelope, self._node.ordering.submit))

    def members(self) -> list[bytes]:
        """The active members, this one first: its own copy costs least and does not lie."""
        roster = members.roster(self.view())
        return sorted(roster, key=lambda member: (member != self.member, member))

    def is_active(self, member: bytes) -> bool:
        """Whether a member is active."""
        return members.active(self.view(), member)

    def sealing_key(self, member: bytes) -> bytes:
        """A member's newest sealing key, 33 B; raises Problem SealingKeyMissing."""
        view = self.view()
        keys = members.keys(view, member, SEALING, view.time_ms)
        if not keys:
            raise Problem(
                Category.UNAVAILABLE,
                "SealingKeyMissing",
                "a member has no live sealing key; ask its operator to add one",
            )
        return keys[0]

    def ask(self, member: bytes, route: str, asked: Struct, kind: type[Kind]) -> Kind:
        """
        Ask one member's door, the own one too.

        Raises the Problem it answers, or AnswerMalformed.
        """
        data = self._node.peer(member).call(route, codec.encode(asked))
        try:
            return codec.decode(data, kind)
        except codec.Malformed as error:
            raise Problem(Category.UNVERIFIED, "AnswerMalformed", str(error)) from None

    def ask_all(
        self, asked: Iterable[bytes], route: str, body: Struct, kind: type[Kind]
    ) -> Mapping[bytes, Kind | Problem]:
        """Ask several members at once; what each answered, or why it did not."""
        return self.with_each(asked, lambda member: self.ask(member, route, body, kind))

    def with_each(
        self, asked: Iterable[bytes], talk: Callable[[bytes], T]
    ) -> Mapping[bytes, T | Problem]:
        """Talk with several members at once; `talk` must not come back here for more threads."""

        def call(member: bytes) -> T | Problem:
            try:
                return talk(member)
            except Problem as problem:
                return problem

        wanted = list(asked)
        return dict(zip(wanted, self._threads.map(traces.carried(call), wanted), strict=True))

    def beside(self, work: Callable[[], T]) -> Future[T]:
        """Begin a work that the caller does not wait for yet."""
        return self._beside.submit(traces.carried(work))

    def close(self) -> None:
        """Let the threads end, each after the work in hand."""
        self._beside.shutdown()
        self._threads.shutdown()

    def _accepted(self, done: Done) -> Done:
        if done.receipt.code:
            raise self._refused(done)
        return done

    def _refused(self, done: Done) -> Problem:
        """A receipt's refusal as a Problem with its number and meaning."""
        kind = self._node.ledger.machine.refusal(done.receipt.code)
        name = "Refused" if kind is None else kind.__name__
        words = "" if kind is None else (kind.__doc__ or "").strip().split("\n\n")[0]
        return Problem(
            Category.INVALID if kind is None else kind.category,
            name,
            f"{done.receipt.code} {words} (transaction {done.id.hex()}, block {done.height})",
            code=done.receipt.code,
        )

    def _next_nonce(self) -> int:
        window = self.view().read(NONCE, self.keys.transaction.key_id)
        if window is None:
            return 0
        return window.floor + int.from_bytes(window.bits, "big").bit_length()
