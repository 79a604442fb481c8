"""The day tree: a window's cover opens exactly its days."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base.errors import Problem
from salus.sealed import days
from salus.sealed.days import (
    DAY_MAX,
    Node,
    SlotSecrets,
    WindowSeeds,
    block_slot,
    cover,
    day_slot,
)

ROOT = bytes(range(32))
TOP = Node(16, 0)
WINDOWS = st.tuples(st.integers(0, DAY_MAX), st.integers(0, DAY_MAX)).map(sorted)


@given(WINDOWS)
def test_a_cover_is_exactly_its_days(window: list[int]) -> None:
    """The nodes stand end to end from the first day to the last, at most 30 of them."""
    first_day, last_day = window
    nodes, blocks = cover(first_day, last_day)
    day = first_day
    for node in nodes:
        assert day == node.index << node.level
        day += 1 << node.level

    assert last_day + 1 == day
    assert len(nodes) <= 30
    assert len(blocks) <= 2


@given(WINDOWS)
def test_blocks_are_those_touched_in_part(window: list[int]) -> None:
    """A block stands apart just if the window holds some of its days, but not all."""
    first_day, last_day = window
    expected = {
        day >> 8
        for day in window
        if (day >> 8 << 8) < first_day or (day >> 8 << 8) + 255 > last_day
    }

    assert expected == set(cover(first_day, last_day).blocks)


SEEDS_MOST = {30: 8, 90: 10, 366: 14, 3_652: 16}


@pytest.mark.parametrize(("length", "expected"), SEEDS_MOST.items())
def test_seeds_at_most(length: int, expected: int) -> None:
    """The most seeds a window of this many days takes, wherever it starts."""
    counts = (len(cover(day, day + length - 1).nodes) for day in range(40_000, 44_096))

    assert expected == max(counts)


def test_all_days_are_one_seed() -> None:
    """The whole calendar is the generation's root."""
    assert ((TOP,), ()) == cover(0, DAY_MAX)


@given(WINDOWS, st.integers(0, DAY_MAX))
def test_seeds_open_what_the_window_holds(window: list[int], day: int) -> None:
    """Seeds give the slot keys of the window's days and of blocks sharing one; no others."""
    first_day, last_day = window
    seeds = days.window_seeds(ROOT, first_day, last_day)
    days.check_seeds(seeds)
    secrets = SlotSecrets(seeds)
    for slot in (day_slot(day), block_slot(day)):
        if days.in_window(slot, first_day, last_day):
            expected = days.slot_secret(days.descend(ROOT, TOP, slot))
            assert expected == secrets.secret(slot)
        else:
            with pytest.raises(Problem, match="SlotNotCovered"):
                secrets.secret(slot)


def test_a_partly_covered_block_opens_no_other_day() -> None:
    """The block's slot secret is no node seed: the days outside the window stay shut."""
    seeds = days.window_seeds(ROOT, 46_300, 46_389)
    secrets = SlotSecrets(seeds)
    block = secrets.secret(block_slot(46_300))

    assert days.slot_secret(days.descend(ROOT, TOP, block_slot(46_300))) == block
    with pytest.raises(Problem, match="SlotNotCovered"):
        secrets.secret(day_slot(46_299))


@given(WINDOWS, st.lists(st.integers(0, DAY_MAX), max_size=8))
def test_slots_asked_in_any_order_are_the_same(window: list[int], asked: list[int]) -> None:
    """What is kept on the way to one slot changes no other's secret, and opens none outside."""
    seeds = days.window_seeds(ROOT, *window)
    secrets = SlotSecrets(seeds)
    slots = [make(day) for day in asked for make in (block_slot, day_slot)]

    assert [_told(SlotSecrets(seeds), slot) for slot in slots] == [
        _told(secrets, slot) for slot in slots
    ]


def test_a_slot_outside_the_calendar_is_no_other_node() -> None:
    """Block 300 does not exist; its place in the numbering is a day further down."""
    secrets = SlotSecrets(days.window_seeds(ROOT, 0, DAY_MAX))
    with pytest.raises(Problem, match="SlotNotCovered"):
        secrets.secret(Node(8, 300))


def test_days_that_follow_share_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of 256 days takes 510 derivations of nodes, not 8 a day."""
    secrets = SlotSecrets(days.window_seeds(ROOT, 46_080, 46_335))
    made: list[bytes] = []
    child = days.child
    monkeypatch.setattr(days, "child", lambda *given: made.append(given[0]) or child(*given))
    for day in range(46_080, 46_336):
        secrets.secret(day_slot(day))

    assert 510 == len(made)


def _told(secrets: SlotSecrets, slot: Node) -> bytes | None:
    try:
        return secrets.secret(slot)
    except Problem:
        return None


SEEDS_WRONG = {
    "a node seed missing": WindowSeeds(46_300, 46_389, bytes(5 * 32), bytes(64)),
    "a block seed too many": WindowSeeds(46_300, 46_389, bytes(6 * 32), bytes(96)),
    "half a seed": WindowSeeds(46_300, 46_389, bytes(6 * 32 - 16), bytes(64)),
}


@pytest.mark.parametrize("seeds", SEEDS_WRONG.values(), ids=SEEDS_WRONG.keys())
def test_seeds_received_are_counted(seeds: WindowSeeds) -> None:
    """A package with another number of seeds than its window's cover is refused."""
    with pytest.raises(Problem, match="SeedsWrong"):
        days.check_seeds(seeds)


@pytest.mark.parametrize(("first_day", "last_day"), [(-1, 5), (5, 4), (0, DAY_MAX + 1)])
def test_a_wrong_window_is_refused(first_day: int, last_day: int) -> None:
    """A window lies in the calendar, its ends in order."""
    with pytest.raises(Problem, match="WindowWrong"):
        cover(first_day, last_day)


def test_day_numbers() -> None:
    """Days count from 1900; earlier dates count as 0, later ones than a u16 are refused."""
    assert 0 == days.day_of(dt.date(1899, 5, 1)) == days.day_of(dt.date(1900, 1, 1))
    assert DAY_MAX == days.day_of(dt.date(2079, 6, 6))
    assert dt.date(2079, 6, 6) == days.date_of(DAY_MAX)
    with pytest.raises(Problem, match="DayTooLate"):
        days.day_of(dt.date(2079, 6, 7))


def test_descendants_are_the_row_below() -> None:
    """Breadth-first and single descents give the same seeds."""
    row = days.descendants(ROOT, 3)

    assert [days.descend(ROOT, TOP, Node(13, index)) for index in range(8)] == row
