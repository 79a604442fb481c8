"""Random proposals and votes end as plain dictionaries predict, and the invariants see faults."""

from collections.abc import Callable

import pytest

from salus.base.errors import Fault
from salus.machine.module import Parameter
from salus.modules.governance import invariants
from salus.modules.governance.state import Due, Open, Proposal, Setting
from tests.support.machine import Ledger
from tests.support.workload import run
from tests.workloads.governance import GovernanceWorkload


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_acts_end_as_predicted(seed: int) -> None:
    """600 blocks of five members: outcome, votes, agenda, roster, invariants after each."""
    workload = GovernanceWorkload(Ledger(members=5))

    seen = run(workload, seed=seed, steps=600)

    refused = {10, 2002, 2004, 2005, 2006, 2007, 2008, 2009, 2010, 2012, 2013}
    assert refused | {0} <= set(seen)
    statuses = {one.status for one in workload.proposals.values()}
    assert {"applied", "rejected", "withdrawn"} <= statuses


def proposal(**changes: object) -> Proposal:
    """An open proposal of one action without a subject."""
    fields: dict[str, object] = {
        "proposer": b"p" * 16,
        "actions": [b"a"],
        "closes_ms": 9,
        "yes": [b"p" * 16],
        "no": [],
        "status": "open",
        **changes,
    }
    return Proposal(**fields)  # type: ignore[arg-type]  # the fields' types are those of the struct


def test_invariants_see_a_fault() -> None:
    """Each is broken on purpose once, so that it is known to look."""
    one, two, p = b"1" * 16, b"2" * 16, b"p" * 16
    accepted = {one: proposal(status="accepted"), two: proposal(status="accepted")}
    swapped = [Due(height=9, proposal=one), Due(height=8, proposal=two)]
    late = [Due(height=5, proposal=one), Due(height=9, proposal=two)]
    declared = {"x": Parameter("x", 1, 1, 2, "")}

    faults: list[Callable[[], None]] = [
        lambda: invariants.agenda_holds_the_accepted(accepted, [], 5),
        lambda: invariants.agenda_holds_the_accepted(accepted, swapped, 5),
        lambda: invariants.agenda_holds_the_accepted(accepted, late, 5),
        lambda: invariants.votes_are_lawful({one: proposal(no=[p])}, [p]),
        lambda: invariants.votes_are_lawful({one: proposal()}, []),
        lambda: invariants.votes_are_lawful({one: proposal(subject=p)}, [p]),
        lambda: invariants.votes_are_lawful(
            {one: proposal(subject=two, actions=[b"a", b"b"])}, [p]
        ),
        lambda: invariants.open_ones_are_known({one: proposal()}, {}, 9),
        lambda: invariants.open_ones_are_known({}, {p: Open(proposals=[one] * 5)}, 9),
        lambda: invariants.parameters_are_in_range({}, declared),
        lambda: invariants.parameters_are_in_range({"x": Setting(value=3)}, declared),
    ]
    for fault in faults:
        with pytest.raises(Fault):
            fault()
    invariants.open_ones_are_known({one: proposal()}, {}, 10)
