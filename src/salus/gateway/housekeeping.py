"""
What a member does unasked: anchor its release log, repair and tidy its vault.

An anchor on the ledger fixes the witness's log: it cannot be rewritten unseen. Repair brings
back what a lost disk or a member's absence left missing (`ledger.md` §5.9).
"""

import threading

import structlog

from salus.base.errors import Problem, Refusal
from salus.gateway.office import Office
from salus.node.node import Node

log = structlog.get_logger()

ANCHOR_S = 60.0
"""Longest time between an opening and its anchor (`patient-control.md` §5.10)."""

REPAIR_EVERY = 60
"""Rounds between repairs: an hour; the first comes at once."""


class Housekeeping:
    """Runs from its constructor to `close`."""

    def __init__(self, node: Node, office: Office) -> None:
        """Of one member."""
        self._node = node
        self._office = office
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the work in hand."""
        self._stopping.set()
        self._thread.join()

    def anchor(self) -> None:
        """Fix the release log as it stands, if it grew; raises what the ledger refused."""
        message = self._node.witness.anchor()
        if message is not None:
            self._office.submit([message])

    def _run(self) -> None:
        turn = 0
        while not self._stopping.wait(ANCHOR_S):
            try:
                self.anchor()
                if turn % REPAIR_EVERY == 0:
                    self._node.repair_vault()
                    self._node.vault.tidy()
            except (Problem, Refusal) as problem:
                log.warning("housekeeping.failed", reason=type(problem).__name__)
            turn += 1
