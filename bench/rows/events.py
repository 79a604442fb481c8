"""What rows tells."""

from salus.base.types import Count
from salus.machine.module import Event


class RowsPut(Event, frozen=True, tag="rows.rows_put"):
    """So many rows were written."""

    count: Count
