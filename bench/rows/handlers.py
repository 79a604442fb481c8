"""What happens: one function a message."""

from bench.rows.events import RowsPut
from bench.rows.messages import PutRows
from bench.rows.state import ROW, Row
from salus.machine.context import Context


def put_rows(ctx: Context, msg: PutRows) -> None:
    """
    Read each row and write it.

    Reads and writes `rows.row`; emits `RowsPut`. Refuses nothing.
    """
    for put in msg.rows:
        old = ctx.read(ROW, put.key)
        writes = 1 if old is None else old.writes + 1
        ctx.write(ROW, Row(value=put.value, writes=writes), put.key)
    ctx.emit(RowsPut(count=len(msg.rows)))
