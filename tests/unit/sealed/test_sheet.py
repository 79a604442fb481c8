"""A sheet gives a writer one key, and nobody can slip in another."""

import dataclasses
import time
from typing import Any

import msgspec
import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.sealed import sheet
from salus.sealed.days import DAY_MAX, Node, block_slot, day_slot
from salus.sealed.sheet import Sheet, SheetExtract
from tests.unit.sealed.world import CHAIN, DAY, LABS

FIRST_DAY = 46_272
SHEET = LABS.sheet(0, FIRST_DAY)
ROOT = sheet.sheet_root(SHEET, CHAIN)
SLOT = day_slot(DAY)


def check(found: SheetExtract, slot: Node = SLOT, **other: Any) -> None:
    """Check an extract in its place, or in another."""
    place = {"chain": CHAIN, "tag": LABS.tag, "generation": 0, "root": ROOT, **other}
    sheet.check_extract(found, slot, **place)


@pytest.mark.parametrize("slot", [SLOT, day_slot(FIRST_DAY), block_slot(DAY), Node(8, 255)])
def test_an_extract_gives_the_wallets_slot_key(slot: Node) -> None:
    """The key that leads to the root is the public half of the wallet's own slot key."""
    found = sheet.extract(SHEET, slot)
    check(found, slot)

    assert LABS.slot_key(0, slot).bare == found.key
    assert LABS.owner(0).public == found.owner_key


FOUND = sheet.extract(SHEET, SLOT)
FORGED = {
    "another key": (msgspec.structs.replace(FOUND, key=bytes(32)), {}),
    "another owner key": (msgspec.structs.replace(FOUND, owner_key=bytes(33)), {}),
    "another first day": (msgspec.structs.replace(FOUND, first_day=FIRST_DAY - 64), {}),
    "another path": (msgspec.structs.replace(FOUND, path=bytes(288)), {}),
    "another slot": (FOUND, {"slot": day_slot(DAY + 1)}),
    "another tag": (FOUND, {"tag": bytes(16)}),
    "another generation": (FOUND, {"generation": 1}),
    "another chain": (FOUND, {"chain": bytes(32)}),
    "an old root": (FOUND, {"root": bytes(32)}),
}


@pytest.mark.parametrize(("found", "other"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_extract_is_refused(found: SheetExtract, other: dict[str, Any]) -> None:
    """Everything a writer relies on is under the root of the tag's state."""
    with pytest.raises(Problem, match="SheetForged"):
        check(found, **other)


@pytest.mark.parametrize("slot", [day_slot(FIRST_DAY - 1), day_slot(FIRST_DAY + 256), Node(4, 1)])
def test_a_slot_not_on_the_sheet(slot: Node) -> None:
    """Days before and after the sheet's 256, and other levels, have no key."""
    with pytest.raises(Problem, match="SlotNotOnSheet"):
        sheet.extract(SHEET, slot)


def test_a_writer_takes_the_day_or_its_block() -> None:
    """Inside the sheet the day, outside it the block."""
    assert day_slot(FIRST_DAY) == sheet.writer_slot(FIRST_DAY, FIRST_DAY)
    assert day_slot(FIRST_DAY + 255) == sheet.writer_slot(FIRST_DAY, FIRST_DAY + 255)
    assert block_slot(FIRST_DAY + 256) == sheet.writer_slot(FIRST_DAY, FIRST_DAY + 256)
    assert block_slot(40_000) == sheet.writer_slot(FIRST_DAY, 40_000)


@pytest.mark.parametrize(
    ("today", "expected"), [(46_346, 46_272), (63, 0), (130, 64), (DAY_MAX, DAY_MAX - 255)]
)
def test_first_day(today: int, expected: int) -> None:
    """⌊today / 64⌋·64 − 64, inside the calendar."""
    assert expected == sheet.first_day_of(today)


@pytest.mark.parametrize("first_day", [0, 255, DAY_MAX - 255])
def test_a_sheet_at_the_calendars_edges(first_day: int) -> None:
    """The first and last sheets have all their keys too."""
    made = LABS.sheet(1, first_day)
    found = sheet.extract(made, day_slot(first_day + 255))

    assert made == codec.decode(codec.encode(made), Sheet)
    assert LABS.slot_key(1, day_slot(first_day + 255)).bare == found.key


def test_a_sheet_beyond_the_calendar_is_refused() -> None:
    """A sheet needs 256 days from its first on."""
    with pytest.raises(Problem, match="WindowWrong"):
        LABS.sheet(0, DAY_MAX - 254)


def test_a_sheet_is_made_fast() -> None:
    """A sheet takes well under a tenth of a second even on a busy machine (bar: 30 ms alone)."""
    start = time.process_time()
    LABS.sheet(2, FIRST_DAY)

    assert time.process_time() - start < 0.2


def test_nodes_are_values() -> None:
    """A slot can be a key of a table and cannot change."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        SLOT.index = 0  # type: ignore[misc]  # the point of the test
