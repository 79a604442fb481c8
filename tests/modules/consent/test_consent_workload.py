"""Whatever comes in whatever order, the state is the model's and the invariants hold."""

from typing import Any

import pytest

from salus.base.errors import Fault
from salus.modules.consent import invariants
from salus.modules.consent.state import (
    Anchor,
    Grant,
    IntentCount,
    Intents,
    Seats,
    SeatsCurrent,
    TagRecord,
)
from tests.modules.consent.world import new_ledger
from tests.support.workload import run
from tests.workloads.consent import ConsentWorkload

FORETOLD = {0, 3, 6, 7, 8, 10, 11, 17, 20, 22, 23, 24, 35, 36}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_acts_end_as_foretold(seed: int) -> None:
    """400 acts: outcome, state and invariants as dictionaries say; every refusal comes up."""
    seen = run(ConsentWorkload(new_ledger()), seed=seed, steps=400)

    assert FORETOLD == {code % 4_000 for code in seen}


KEY = b"\x01" * 33
RECORD = TagRecord(
    control_key=KEY, era=1, first_day=0, generation=1, open=True, sequence=5, sheet_root=bytes(32)
)
CLOSED = TagRecord(
    control_key=KEY, era=1, first_day=0, generation=1, open=False, sequence=5, sheet_root=bytes(32)
)
HELD = Grant(commitment=bytes(32), grant_key=KEY, until_ms=1, revoked_ms=1)
INTENT = Intents(closings=bytes(32), leaves=1, root=bytes(32), time_ms=5)
EARLIER = Intents(closings=bytes(32), leaves=1, root=bytes(32), time_ms=4)
LOG = Anchor(root=bytes(32), size=3, time_ms=1)
EMPTY = Seats(active_from_ms=0, holders=[], threshold=1)


def changed(row: Any, **fields: Any) -> dict[str, Any]:
    """A table of one row with other fields."""
    plain = {name: getattr(row, name) for name in row.__struct_fields__}
    return {"a": type(row)(**{**plain, **fields})}


BROKEN: dict[str, tuple[Any, ...]] = {
    "a tag is gone": (invariants.tags_never_fall, {"a": RECORD}, {}),
    "a generation fell": (
        invariants.tags_never_fall,
        {"a": RECORD},
        changed(RECORD, generation=0, sequence=6),
    ),
    "an era fell": (invariants.tags_never_fall, {"a": RECORD}, changed(RECORD, era=0, sequence=6)),
    "a tag changed without an act": (
        invariants.tags_never_fall,
        {"a": RECORD},
        changed(RECORD, era=2),
    ),
    "a closed tag changed": (
        invariants.tags_never_fall,
        {"a": CLOSED},
        changed(RECORD, sequence=6),
    ),
    "a grant is gone": (invariants.grants_stay, {"a": HELD}, {}),
    "a grant's end moved": (invariants.grants_stay, {"a": HELD}, changed(HELD, until_ms=2)),
    "a revocation was undone": (
        invariants.grants_stay,
        {"a": HELD},
        changed(HELD, revoked_ms=None),
    ),
    "an intent is missing": (invariants.intents_have_no_gap, {"m": IntentCount(last=1)}, {}),
    "an intent is older than the one before": (
        invariants.intents_have_no_gap,
        {"m": IntentCount(last=2)},
        {("m", 1): INTENT, ("m", 2): EARLIER},
    ),
    "an anchor is gone": (invariants.anchors_only_grow, {"a": LOG}, {}),
    "an anchor shrank": (invariants.anchors_only_grow, {"a": LOG}, changed(LOG, size=2)),
    "a root changed at one size": (
        invariants.anchors_only_grow,
        {"a": LOG},
        changed(LOG, root=b"\x01" * 32),
    ),
    "no such version of seats": (invariants.seats_are_sound, {}, SeatsCurrent(version=1)),
    "seats without a holder": (invariants.seats_are_sound, {1: EMPTY}, SeatsCurrent(version=1)),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_invariant_is_a_fault(case: tuple[Any, ...]) -> None:
    """Each invariant is tried on a state that breaks it."""
    check, *rows = case

    with pytest.raises(Fault, match="consent:"):
        check(*rows)
