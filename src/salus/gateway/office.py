"""
The gateway's way to its own node and, through it, to the other members.

It reads the ledger from the node's copy, signs the member's transactions, and asks members' doors.
Nothing plain leaves through here: containers, packages and leaves are sealed before.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from salus.base.errors import Category, Problem
from salus.client.submit import Submitter
from salus.machine.context import StateView
from salus.machine.module import Message
from salus.machine.tables import NONCE
from salus.modules.consent import queries as consent
from salus.modules.consent.state import TagRecord
from salus.modules.members import queries as members
from salus.node.keys import MemberKeys
from salus.node.mempool import Done
from salus.node.node import Node

T = TypeVar("T")

SEALING = 2
"""Use of the key that receives shares and packages."""


class Office:
    """One gateway's."""

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
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="office")

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

    def fresh_ms(self) -> int:
        """Block time now: an idle ledger is renewed first."""
        return self._node.ordering.fresh_tip().time_ms

    def tag(self, tag: bytes) -> TagRecord | None:
        """A tag's row, or None."""
        return consent.tag(self.view(), tag)

    def submit(self, messages: Sequence[Message]) -> Done:
        """
        Sign and submit the member's transaction, and wait until it is final.

        Raises the Refusal that admission gave, or Problem Refused with the receipt's number.
        """
        done = self._submitter.submit(messages, self._node.ordering.submit)
        if done.receipt.code:
            raise refused(self._node, done)
        return done

    def members(self) -> list[bytes]:
        """The active members."""
        return members.roster(self.view())

    def sealing_key(self, member: bytes) -> bytes:
        """A member's newest sealing key, 33 B; raises Problem MemberUnknown."""
        view = self.view()
        keys = members.keys(view, member, SEALING, view.time_ms)
        if not keys:
            raise Problem(
                Category.NOT_FOUND, "MemberUnknown", "expected the id of an active member"
            )
        return keys[0]

    def ask(self, member: bytes, route: str, body: bytes) -> bytes:
        """Ask one member's door, the own one too; raises the Problem it answers."""
        return self._node.peer(member).call(route, body)

    def ask_all(
        self, asked: Sequence[bytes], route: str, body: bytes
    ) -> Mapping[bytes, bytes | Problem]:
        """Ask several members at once; what each answered, or why it did not."""

        def call(member: bytes) -> bytes | Problem:
            try:
                return self.ask(member, route, body)
            except Problem as problem:
                return problem

        return dict(zip(asked, self._threads.map(call, asked), strict=True))

    def first_answer(
        self, asked: Sequence[bytes], route: str, body: bytes, accept: Callable[[bytes], T]
    ) -> T:
        """The first answer that `accept` takes; raises the last Problem if none does."""
        last = Problem(Category.UNAVAILABLE, "NobodyAnswered", "no member has what was asked for")
        for member in asked:
            try:
                return accept(self.ask(member, route, body))
            except Problem as problem:
                last = problem
        raise last

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    def _next_nonce(self) -> int:
        window = self.view().read(NONCE, self.keys.transaction.key_id)
        if window is None:
            return 0
        return window.floor + int.from_bytes(window.bits, "big").bit_length()


def refused(node: Node, done: Done) -> Problem:
    """A receipt's refusal as a Problem with its number and meaning."""
    kind = node.ledger.machine.refusal(done.receipt.code)
    name = "Refused" if kind is None else kind.__name__
    words = "" if kind is None else (kind.__doc__ or "").strip().split("\n\n")[0]
    category = Category.INVALID if kind is None else kind.category
    return Problem(
        category,
        name,
        f"{done.receipt.code} {words} (transaction {done.id.hex()}, block {done.height})",
        code=done.receipt.code,
    )
