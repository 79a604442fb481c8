"""What records remembers."""

from salus.base.codec import Struct
from salus.base.types import U8, Count, Hash32, MemberId, TimeMs
from salus.state.tables import Table, raw


class Batch(Struct, frozen=True):
    """One committed container of sealed records; who it is about stands nowhere here."""

    author: MemberId
    bytes: Count
    """Size of the container, padded (Padmé)."""

    root: Hash32
    """RFC 6962 root of its items."""

    stored: list[U8]
    """Numbers of the members that held it when it was committed, ascending."""

    time_ms: TimeMs
    """Block time of its commitment."""


BATCH = Table(3, 1, "records.batch", Batch, (raw("batch", 16),))

TABLES = (BATCH,)
