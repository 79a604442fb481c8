"""What rows remembers."""

from bench.rows.messages import Value
from salus.base.codec import Struct
from salus.state.tables import Table, raw

NUMBER = 15
"""The module's number; no module of a node may take it."""


class Row(Struct, frozen=True):
    """A row, with how often it was written: a write reads what stood there, as real ones do."""

    value: Value
    writes: int


ROW = Table(NUMBER, 1, "rows.row", Row, (raw("key", 16),))
