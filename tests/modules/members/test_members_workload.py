"""Random acts of members end as plain dictionaries predict, and the invariants see faults."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from salus.base.errors import Fault
from salus.machine.tables import KEY
from salus.modules.members import invariants
from salus.modules.members.state import MEMBER, MEMBER_KEY, OWNER, RING, ROSTER
from tests.support.machine import Ledger
from tests.support.workload import run
from tests.workloads.members import MembersWorkload


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_acts_end_as_predicted(seed: int) -> None:
    """400 acts in a network of four: outcome, state, invariants after each."""
    ledger = Ledger(members=4, mode="network", power=1)

    seen = run(MembersWorkload(ledger, power=1), seed=seed, steps=400)

    assert {0, 10, 1003, 1006, 1007, 1010, 1024} <= set(seen)


def test_invariants_see_a_fault() -> None:
    """Each is broken on purpose once, so that it is known to look."""
    ledger = Ledger(members=2)
    members, roster = ledger.all_rows(MEMBER), ledger.row(ROSTER)
    keys, rings = ledger.all_rows(MEMBER_KEY), ledger.all_rows(RING)
    owners, signers = ledger.all_rows(OWNER), ledger.all_rows(KEY)
    assert roster is not None
    first = roster.admitted[0]
    suspended = {**members, first: replace(members[first], status="suspended")}
    twice = {**members, first: replace(members[first], number=1)}
    retired = {**keys, (first, 1, 0): replace(keys[first, 1, 0], retired_ms=1)}
    gap = {**rings, (first, 1): replace(rings[first, 1], count=2)}
    fewer = dict(list(owners.items())[1:])
    strange = {**signers, b"x" * 16: next(iter(signers.values()))}

    faults: list[Callable[[], None]] = [
        lambda: invariants.roster_is_the_active(suspended, roster),
        lambda: invariants.roster_is_the_active(twice, roster),
        lambda: invariants.rings_are_the_live(rings, retired),
        lambda: invariants.rings_are_the_live(gap, keys),
        lambda: invariants.keys_are_owned(keys, fewer, signers),
        lambda: invariants.keys_are_owned(keys, owners, strange),
        lambda: invariants.weight_is_left([0, 0], "network"),
    ]
    for fault in faults:
        with pytest.raises(Fault):
            fault()
