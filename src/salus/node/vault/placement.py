"""
Which members hold a batch: rendezvous hashing (Thaler, Ravishankar 1998; `ledger.md` §5.9).

Score = SHA-256(D("place") ‖ batch ‖ member). The author holds its own, then the highest scores
follow; a member that joins takes over 1/n of the copies and moves nothing else.
"""

from collections.abc import Sequence

from salus.base.hashing import domain_hash
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.records import queries as records


def holders(batch: bytes, author: bytes, active: Sequence[bytes], copies: int) -> list[bytes]:
    """
    The members that should hold a batch, the author first, then by score; at most `copies`.

    `active`: the active members, 16 B each; an author that is not among them holds nothing.
    """
    ranked = sorted(active, key=lambda member: (member != author, _rank(batch, member)))
    return ranked[:copies]


def promised(view: View, batch: bytes) -> set[bytes]:
    """Members whose receipts the ledger took for a batch, 16 B each; none if it has no such one."""
    row = records.batch(view, batch)
    everybody = members.admitted(view)
    return set() if row is None else {everybody[number] for number in row.stored}


def _rank(batch: bytes, member: bytes) -> int:
    return -int.from_bytes(domain_hash("place", batch, member), "big")
