"""
What a member does unasked: anchor its release log, finish what is half done, tend its vault.

An anchor on the ledger fixes the witness's log: it cannot be rewritten unseen. Repair brings
back what a lost disk or a member's absence left missing; rereading finds what a disk lost in
silence, probes whose receipt is empty (`ledger.md` §5.9). To fetch a lost disk's containers may
take hours, and no anchor waits for it: the vault has a thread of its own.
"""

from collections.abc import Callable, Sequence

import structlog

from salus.base.errors import Problem, Refusal
from salus.client.submit import name_of
from salus.gateway.announcements import Announcements
from salus.gateway.batches import Batches
from salus.gateway.grants import Grants
from salus.gateway.office import Office
from salus.node.node import Node
from salus.node.regularly import Regularly

log = structlog.get_logger()

ROUND_S = 60.0
"""Longest time between an opening and its anchor (`patient-control.md` §5.10)."""

TEND_EVERY = 60
"""Rounds between repairs and between probes: an hour; the first comes with the first round."""

ROUNDS_A_DAY = 24 * 60
"""In so many all containers are read anew."""


class Housekeeping:
    """Runs from its constructor to `close`."""

    def __init__(
        self,
        node: Node,
        office: Office,
        batches: Batches,
        grants: Grants,
        announcements: Announcements,
    ) -> None:
        """Of one member."""
        self._node = node
        self._office = office
        self._batches = batches
        self._grants = grants
        self._announcements = announcements
        self._rounds = 0
        self._threads = [
            Regularly("housekeeping", ROUND_S, self.round),
            Regularly("vault-keeping", ROUND_S, self.tend),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop after the work in hand."""
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.close()

    def round(self) -> list[str]:
        """Do all that the ledger waits for; the names of what failed, to be tried again."""
        return _failures_of(
            [
                self._batches.settle,
                self._grants.resume,
                self._announcements.post_closings,
                self.anchor,
            ]
        )

    def tend(self) -> list[str]:
        """Do what the vault needs now; the names of what failed."""
        duties: list[Callable[[], object]] = [self.reread]
        if self._rounds % TEND_EVERY == 0:
            duties += [self.repair, self._node.probe_vaults]
        self._rounds += 1
        return _failures_of(duties)

    def anchor(self) -> None:
        """Fix the release log as it stands, if it grew; raises what the ledger refused."""
        message = self._node.witness.anchor()
        if message is not None:
            self._office.submit([message])

    def repair(self) -> None:
        """Fetch what this member's vault lacks, drop what it need not keep; raises Problem."""
        self._node.repair_vault()
        self._node.vault.tidy()

    def reread(self) -> None:
        """Read a part of the vault anew, and fetch at once what is found damaged."""
        if self._node.vault.reread(ROUNDS_A_DAY):
            self._node.repair_vault()


def _failures_of(duties: Sequence[Callable[[], object]]) -> list[str]:
    """Do each duty, whatever became of the others; the names of their failures, logged."""
    failures = []
    for duty in duties:
        try:
            duty()
        except Exception as error:  # noqa: BLE001 (one that fails must not keep the others from theirs)
            name = name_of(error) if isinstance(error, (Problem, Refusal)) else type(error).__name__
            log.warning("housekeeping.failed", reason=name)
            failures.append(name)
    return failures
