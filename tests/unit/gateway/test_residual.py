"""The finer rules of a grant: a record with labels of two compartments needs both."""

import pytest

from salus.client.unseal import Record
from salus.gateway.residual import labels_rule, permits
from salus.sealed.grants import Rule
from salus.sealed.record import Meta

AUTHOR = bytes(16)
SUBSTANCE, SEXUAL, LABS = 13, 14, 4


def _record(*labels: str, day: int = 100, kind: str = "Observation") -> Record:
    meta = Meta(type=kind, id="x", labels=sorted(labels), day=day)
    return Record(record=b"r" * 16, version=1, meta=meta, body=b"{}", salt=bytes(16))


def _rule(*, permit: bool, **criteria: list[object] | int) -> Rule:
    empty: dict[str, list[object] | int] = {
        "authors": [], "encounters": [], "labels": [], "records": [], "types": [],
    }  # fmt: skip
    return Rule(permit=permit, **{**empty, **criteria})  # type: ignore[arg-type]  # by name


GRANTED = {
    "both": ((SUBSTANCE, SEXUAL), True),
    "only the compartment it lies in": ((SUBSTANCE,), False),
    "only the other": ((SEXUAL,), False),
    "labs alone": ((LABS,), False),
    "everything": (tuple(range(16)), True),
}


@pytest.mark.parametrize(("granted", "shown"), GRANTED.values(), ids=GRANTED.keys())
def test_a_record_labelled_hiv_and_sud_needs_13_and_14(
    granted: tuple[int, ...],
    *,
    shown: bool,
) -> None:
    """It lies in 13; a reader of 13 alone would learn the other diagnosis (§3.2)."""
    assert shown == permits(labels_rule(granted), _record("HIV", "SUD", "R"), AUTHOR)


def test_a_grant_of_everything_needs_no_rule() -> None:
    """Nothing is hidden then, so the terms stay short."""
    assert [] == labels_rule(range(16))


RULES = {
    "no rule": ([], True),
    "a denied type": ([_rule(permit=False, types=["Observation"])], False),
    "another type": ([_rule(permit=False, types=["Condition"])], True),
    "the last match decides": (
        [_rule(permit=False), _rule(permit=True, types=["Observation"])],
        True,
    ),
    "a denied author": ([_rule(permit=False, authors=[AUTHOR])], False),
    "a denied record": ([_rule(permit=False, records=[b"r" * 16])], False),
    "days that end before": ([_rule(permit=False, last_day=99)], True),
    "days that hold it": ([_rule(permit=False, first_day=100, last_day=100)], False),
    "all criteria must match": (
        [_rule(permit=False, types=["Observation"], authors=[b"o" * 16])],
        True,
    ),
    "encounters deny what cannot be judged": ([_rule(permit=False, encounters=[bytes(16)])], False),
    "encounters permit nothing": (
        [_rule(permit=False), _rule(permit=True, encounters=[bytes(16)])],
        False,
    ),
}


@pytest.mark.parametrize(("rules", "shown"), RULES.values(), ids=RULES.keys())
def test_rules_start_with_permit_and_the_last_match_decides(
    rules: list[Rule], *, shown: bool
) -> None:
    """Every criterion, and what this version cannot judge (§3.7)."""
    assert shown == permits(rules, _record("HIV"), AUTHOR)
