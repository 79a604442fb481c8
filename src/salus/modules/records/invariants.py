"""What is always true of records; `before` and `after` are rows around any blocks."""

from collections.abc import Mapping

from salus.base.errors import invariant
from salus.base.limits import CONTAINER_BYTES_MAX
from salus.modules.records.state import Batch


def batches_stay(before: Mapping[bytes, Batch], after: Mapping[bytes, Batch]) -> None:
    """A committed batch is never changed or taken away."""
    for name, old in before.items():
        invariant(after.get(name) == old, "records: a batch is gone or changed")


def batches_are_held(batches: Mapping[bytes, Batch], copies: Mapping[bytes, int]) -> None:
    """A batch was stored by as many members as its block asked for (`copies`, by batch)."""
    for name, row in batches.items():
        distinct = row.stored == sorted(set(row.stored))
        invariant(distinct, "records: a holder is named twice or out of order")
        invariant(len(row.stored) >= copies[name], "records: a batch has too few holders")
        invariant(row.bytes <= CONTAINER_BYTES_MAX, "records: a batch is too large")


INVARIANTS = (batches_stay, batches_are_held)
