"""What records tells."""

from salus.base.types import Hash32, Id16, MemberId
from salus.machine.module import Event


class BatchCommitted(Event, frozen=True, tag="records.batch_committed"):
    """A batch is valid: what lies under its root may be served and opened."""

    author: MemberId
    batch: Id16
    root: Hash32


EVENTS = (BatchCommitted,)
