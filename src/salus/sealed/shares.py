"""
The network's lock, from both sides: a seat's shares, and how a reader joins them.

A digest stands in the group's item for every share. A witness compares its own before it answers
with a receipt (V13); a reader skips a share that differs and names who sent it.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from salus.base import shamir
from salus.base.errors import Category, Problem
from salus.base.sealing import SealingKey
from salus.sealed.container import Container
from salus.sealed.locks import (
    DIGEST_BYTES,
    SHARE_BYTES,
    Masks,
    open_seat_packet,
    share_digest,
)


@dataclass(frozen=True, slots=True)
class Joined:
    """N, and which seats sent something else than their share."""

    n: bytes
    blamed: tuple[int, ...]


def shares_of(container: Container, x: int, key: SealingKey) -> dict[int, bytes]:
    """
    Open seat `x`'s shares by its holder's sealing key: group number -> 32 B.

    Blanked groups are left out. Raises Problem SeatUnknown, SealNotYours, ShareDiffers (V13).
    """
    at = _seat_place(container, x)
    head = container.head
    secret = open_seat_packet(key, container.seat_packets[at].sealed, head.chain, head.batch, x)
    masks = Masks(secret, head.batch)
    shares = {}
    for number, group in enumerate(container.groups):
        if group is None:
            continue
        share = masks.apply(_part(group.shares, at, SHARE_BYTES), number)
        if share_digest(head.batch, number, x, share) != _part(group.digests, at, DIGEST_BYTES):
            raise Problem(
                Category.UNVERIFIED,
                "ShareDiffers",
                "a share does not have the digest its author states; give no receipt",
                code="V13",
            )
        shares[number] = share
    return shares


def join_shares(container: Container, number: int, shares: Mapping[int, bytes]) -> Joined:
    """
    Join the shares that seats released for one group, seat number -> 32 B.

    A share of another length, of no seat or with a wrong digest is skipped and its seat blamed.
    Raises Problem GroupUnknown, GroupBlanked, TooFewShares.
    """
    group = container.group(number)
    head = container.head
    places = {x: at for at, x in enumerate(container.seats)}
    right = {}
    for x, share in sorted(shares.items()):
        stated = _part(group.digests, places[x], DIGEST_BYTES) if x in places else b""
        if stated and hmac.compare_digest(share_digest(head.batch, number, x, share), stated):
            right[x] = share
    blamed = tuple(sorted(shares.keys() - right.keys()))
    if not 1 <= head.threshold <= len(right):
        raise Problem(
            Category.UNAVAILABLE,
            "TooFewShares",
            f"{len(right)} right shares, {len(blamed)} wrong; expected {head.threshold}: "
            "ask the seats that have not answered",
            blamed=blamed,
        )
    enough = dict(list(right.items())[: head.threshold])
    return Joined(shamir.join(enough), blamed)


def _seat_place(container: Container, x: int) -> int:
    try:
        return container.seats.index(x)
    except ValueError:
        raise Problem(
            Category.NOT_FOUND, "SeatUnknown", "the container has no packet for this seat"
        ) from None


def _part(data: bytes, place: int, width: int) -> bytes:
    return data[place * width : (place + 1) * width]
