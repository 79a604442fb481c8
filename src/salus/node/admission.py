"""
Whether a transaction may wait, judged on the newest state (`ledger.md` §5.3, step 3).

What the state says of a key is read once a tip, not once a transaction.
"""

from salus.machine.context import StateView
from salus.machine.signer import Signer, admit
from salus.node.block_clock import BlockClock
from salus.node.ledger import Ledger, Tip
from salus.node.mempool import Ticket

KEYS_MAX = 4_096
"""Keys looked up before a view is made anew though the tip stands: bounds what it remembers."""


class Admission:
    """Asked by one thread at a time: the mempool's lock sees to that."""

    def __init__(self, ledger: Ledger, clock: BlockClock) -> None:
        """`clock`: the block's time-to-be, since a tip may be old."""
        self._ledger = ledger
        self._machine = ledger.machine
        self._clock = clock
        self._use(ledger.tip)

    def check(self, ticket: Ticket) -> bytes:
        """The member in whose name it waits; refuses as `Machine.signer` and `admit` do."""
        tip = self._ledger.tip
        if tip is not self._tip or self._looked_up == KEYS_MAX:
            self._use(tip)
        signer = self._signer(ticket.transaction.key_id)
        time_ms = max(tip.time_ms, self._clock.now_ms())
        admit(signer, ticket.transaction, time_ms, self._lifetime_ms)
        return signer.row.member

    def _signer(self, key_id: bytes) -> Signer:
        found = self._signers.get(key_id)
        if found is None:
            self._looked_up += 1
            found = self._signers[key_id] = self._machine.signer(self._view, key_id)
        return found

    def _use(self, tip: Tip) -> None:
        self._tip = tip
        self._view: StateView = self._ledger.view()
        self._lifetime_ms = self._machine.lifetime_ms(self._view)
        self._signers: dict[bytes, Signer] = {}
        self._looked_up = 0
