"""What may be asked of rows."""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.machine.module import Message

VALUE_BYTES_MAX = 1024
ROWS_MAX = 1_000

Key = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Value = Annotated[bytes, msgspec.Meta(max_length=VALUE_BYTES_MAX)]


class Put(Struct, frozen=True):
    """One row, new or written over."""

    key: Key
    value: Value


class PutRows(Message, frozen=True, tag="rows.put_rows"):
    """Write rows, each whatever stood there before."""

    rows: Annotated[list[Put], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]
