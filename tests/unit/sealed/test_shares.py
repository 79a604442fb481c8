"""The network's lock: any t seats open, a liar is named, one seat short opens nothing."""

import itertools

import msgspec
import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.sealing import SealingKey
from salus.sealed import container
from salus.sealed.shares import join_shares, shares_of
from tests.unit.sealed.world import DAY, HOLDERS, LABS, batch, record, released

WHOLE = batch([record(LABS, DAY, 0), record(LABS, DAY + 1, 1)])


def test_any_t_seats_give_one_secret() -> None:
    """All choices of three of the four seats, and all four, join to the same N."""
    chosen = [*itertools.combinations(HOLDERS, 3), tuple(HOLDERS)]
    secrets = {join_shares(WHOLE, 0, released(WHOLE, 0, seats)).n for seats in chosen}

    assert 1 == len(secrets)


def test_one_seat_short_opens_nothing() -> None:
    """Two right shares, or two and a wrong one, are too few, and the wrong one is named."""
    shares = released(WHOLE, 0, (1, 5))
    with pytest.raises(Problem, match="TooFewShares") as refused:
        join_shares(WHOLE, 0, {**shares, 2: bytes(32)})

    assert {"blamed": (2,)} == refused.value.facts


def test_a_wrong_share_is_skipped_and_blamed() -> None:
    """Zeros, another group's, a short one, another seat's: all are named, none is joined."""
    shares = released(WHOLE, 0, (1, 2, 5))
    right = join_shares(WHOLE, 0, shares).n
    for wrong in (bytes(32), released(WHOLE, 1, (255,))[255], b"", shares[1]):
        joined = join_shares(WHOLE, 0, {**shares, 255: wrong, 77: bytes(32)})

        assert (right, (77, 255)) == (joined.n, joined.blamed)


def test_a_seat_opens_its_own_packet_alone() -> None:
    """Another holder's key and an unknown seat are refused."""
    with pytest.raises(Problem, match="SealNotYours"):
        shares_of(WHOLE, 1, HOLDERS[2])
    with pytest.raises(Problem, match="SeatUnknown"):
        shares_of(WHOLE, 3, SealingKey.random())


@pytest.mark.parametrize("field", ["shares", "digests"])
def test_an_authors_false_share_is_v13(field: str) -> None:
    """A share without its digest is found by its own seat before the receipt."""
    group = WHOLE.group(1)
    value = bytearray(getattr(group, field))
    value[-1] ^= 1
    items = list(WHOLE.items)
    items[2] = codec.encode(msgspec.structs.replace(group, **{field: bytes(value)}))
    parsed = container.parse(container.pack(items, WHOLE.blobs.values(), WHOLE.signature))
    shares_of(parsed, 1, HOLDERS[1])
    with pytest.raises(Problem, match="ShareDiffers") as refused:
        shares_of(parsed, 255, HOLDERS[255])

    assert {"code": "V13"} == refused.value.facts


@pytest.mark.parametrize("field", ["shares", "digests"])
def test_cut_shares_are_v13(field: str) -> None:
    """A container whose sizes nobody checked yields a named refusal, no crash."""
    items = list(WHOLE.items)
    items[1] = codec.encode(msgspec.structs.replace(WHOLE.group(0), **{field: b""}))
    parsed = container.parse(container.pack(items, WHOLE.blobs.values(), WHOLE.signature))
    with pytest.raises(Problem, match="ShareDiffers"):
        shares_of(parsed, 1, HOLDERS[1])


def test_a_blanked_group_has_no_shares() -> None:
    """A seat's shares of a pruned container are those of the groups that are left."""
    pruned = container.parse(container.prune(WHOLE, {1}))

    assert {1: shares_of(WHOLE, 1, HOLDERS[1])[1]} == shares_of(pruned, 1, HOLDERS[1])
    with pytest.raises(Problem, match="GroupBlanked"):
        join_shares(pruned, 0, {})
