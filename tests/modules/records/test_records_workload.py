"""Whatever holders and receipts come, a committed batch is held and stays."""

import msgspec
import pytest

from salus.base.errors import Fault
from salus.modules.records.invariants import batches_are_held, batches_stay
from salus.modules.records.state import Batch
from tests.modules.consent.world import new_ledger
from tests.support.workload import run
from tests.workloads.records import RecordsWorkload

ROW = Batch(author=bytes(16), bytes=1, root=bytes(32), stored=[0, 2], time_ms=0)
FORETOLD = {0, 3_002, 3_007, 3_009, 3_010, 3_011, 3_018, 3_020}


@pytest.mark.parametrize("members", [3, 4])
def test_random_batches_end_as_foretold(members: int) -> None:
    """300 batches: outcome, state and invariants as a dictionary says; every refusal comes up."""
    seen = run(RecordsWorkload(new_ledger(members=members)), seed=members, steps=300)

    assert FORETOLD - {3_011} <= set(seen) <= FORETOLD


def test_a_batch_that_changes_is_a_fault() -> None:
    """Gone, or with another root."""
    for after in ({}, {b"b": msgspec.structs.replace(ROW, root=b"\x01" * 32)}):
        with pytest.raises(Fault, match="records:"):
            batches_stay({b"b": ROW}, after)


@pytest.mark.parametrize("fields", [{"stored": [0]}, {"stored": [2, 0]}, {"bytes": 2**25 + 1}])
def test_a_batch_not_held_is_a_fault(fields: dict[str, object]) -> None:
    """Too few holders, out of order, or too large."""
    with pytest.raises(Fault, match="records:"):
        batches_are_held({b"b": msgspec.structs.replace(ROW, **fields)}, {b"b": 2})
