"""
Whether a transaction may wait, judged on the newest state (`ledger.md` §5.3, step 3).

Rows that many transactions share (a key, its member, a parameter) are read once a tip, not once a
transaction.
"""

from salus.machine.context import StateView
from salus.node.block_clock import BlockClock
from salus.node.ledger import Ledger, Tip
from salus.node.mempool import Ticket

CHECKS_A_VIEW_MAX = 4_096
"""Checks before a view is made anew though the tip stands: bounds the rows it remembers."""


class Admission:
    """Asked by one thread at a time: the mempool's lock sees to that."""

    def __init__(self, ledger: Ledger, clock: BlockClock) -> None:
        """`clock`: the block's time-to-be, since a tip may be old."""
        self._ledger = ledger
        self._clock = clock
        self._use(ledger.tip)

    def check(self, ticket: Ticket) -> bytes:
        """The member in whose name it waits; refuses as `Machine.admit` does."""
        tip = self._ledger.tip
        if tip is not self._tip or self._checks == CHECKS_A_VIEW_MAX:
            self._use(tip)
        self._checks += 1
        view = self._view
        view.time_ms = max(tip.time_ms, self._clock.now_ms())
        machine = self._ledger.machine
        machine.admit(view, ticket.transaction)
        return machine.member_of(view, ticket.transaction.key_id)

    def _use(self, tip: Tip) -> None:
        self._tip = tip
        self._view: StateView = self._ledger.view()
        self._checks = 0
