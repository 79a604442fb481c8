"""
What the ledger says about this member that its process must follow: moved, removed, others gone.

The process ends with a sentence when there is nothing more for it to do as it was started.
"""

import structlog

from salus.base.errors import Category, Problem
from salus.modules.members import queries as members
from salus.node.node import Node

log = structlog.get_logger()


class Life:
    """One member's; asked by one thread."""

    def __init__(self, node: Node) -> None:
        """`node`: runs."""
        self._node = node
        self._roster = members.roster(node.ledger.view())
        self._told = ""

    def end(self) -> Problem | None:
        """Why the process should end now, or None; what an operator must do is logged once."""
        view = self._node.ledger.view()
        row = members.member(view, self._node.keys.member)
        status = "" if row is None else row.status
        if status == "removed":
            return _removed(view.height)
        if self._node.has_moved:
            if self._node.settings.comet is not None:
                return _moved(view.height)
            self._tell("moved", "the ledger moved into a network: add a [comet] table, start again")
        if status == "suspended":
            self._tell(
                "suspended",
                "this member is suspended: it neither acts nor votes. Keep it running until the "
                "others' `salus vault status` lacks nothing; they vote to remove or to resume it",
            )
        return None

    def roster_changed(self) -> bool:
        """Whether members came or went since the last question: then copies have other places."""
        roster = members.roster(self._node.ledger.view())
        changed, self._roster = roster != self._roster, roster
        return changed

    def _tell(self, what: str, reason: str) -> None:
        if what != self._told:
            self._told = what
            log.warning("member.changed", kind=what, reason=reason)


def _removed(height: int) -> Problem:
    return Problem(
        Category.GONE,
        "MemberRemoved",
        "the members voted this one out, and its node stops: its folder holds the ledger up to "
        f"block {height}, which `salus audit` checks. Do not start it again",
        height=height,
    )


def _moved(height: int) -> Problem:
    return Problem(
        Category.UNAVAILABLE,
        "LedgerMoved",
        f"the ledger moved into a network with block {height}, and this process ends: start it "
        "again, and this member's own node orders with the others' from the next block on",
        height=height,
    )
