"""
Which members hold a batch: rendezvous hashing (Thaler, Ravishankar 1998; `ledger.md` §5.9).

Score = SHA-256(D("place") ‖ batch ‖ member). The author holds its own, then the highest scores
follow; a member that joins takes over 1/n of the copies and moves nothing else.
"""

from collections.abc import Sequence

from salus.base.hashing import domain_hash


def holders(batch: bytes, author: bytes, members: Sequence[bytes], copies: int) -> list[bytes]:
    """
    The members that should hold a batch, the author first, then by score; at most `copies`.

    `members`: the active ones, 16 B each; an author that is not among them holds nothing.
    """
    ranked = sorted(members, key=lambda member: (member != author, _rank(batch, member)))
    return ranked[:copies]


def _rank(batch: bytes, member: bytes) -> int:
    return -int.from_bytes(domain_hash("place", batch, member), "big")
