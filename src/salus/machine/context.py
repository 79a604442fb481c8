"""
All a handler sees: read, write, emit, who signed, and the block's height and time.

A query sees a `View`: the same reading, nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from salus.base import codec
from salus.base.errors import Fault, Refusal
from salus.base.limits import EVENT_BYTES_MAX, EVENTS_PER_MESSAGE_MAX
from salus.machine.declarations import Declarations
from salus.machine.module import Event
from salus.state.overlay import Overlay
from salus.state.tables import Row, Table


class View(Protocol):
    """What queries read from: some state at some height and block time."""

    network: bytes
    """The network id, 32 B."""

    height: int
    """Height of the block the state stands after, or is being changed by."""

    time_ms: int
    """That block's time."""

    def read(self, table: Table[Row], *parts: int | str | bytes) -> Row | None:
        """The row with this key, or None."""
        ...


class Context:
    """A handler's whole world for one message."""

    __slots__ = (
        "_overlay", "declared", "events", "height", "member", "network", "signer", "time_ms",
    )  # fmt: skip

    def __init__(
        self,
        overlay: Overlay,
        *,
        network: bytes,
        height: int,
        time_ms: int,
        declared: Declarations,
    ) -> None:
        """`signer` (key id) and `member` are set when a transaction is authenticated."""
        self.declared = declared
        self._overlay = overlay
        self.network = network
        self.height = height
        self.time_ms = time_ms
        self.signer = b""
        self.member = b""
        self.events: list[bytes] = []

    def read(self, table: Table[Row], *parts: int | str | bytes) -> Row | None:
        """The row with this key, as the messages before left it, or None."""
        return self._overlay.read(table, table.key(*parts))

    def write(self, table: Table[Row], row: Row, *parts: int | str | bytes) -> None:
        """Put a row under this key."""
        self._overlay.write(table, table.key(*parts), row)

    def delete(self, table: Table[Any], *parts: int | str | bytes) -> None:
        """Take the row with this key away."""
        self._overlay.write(table, table.key(*parts), None)

    def emit(self, event: Event) -> None:
        """Tell what happened; at most 16 events of 4 KiB a message."""
        data = codec.encode(event)
        if len(data) > EVENT_BYTES_MAX:
            raise Fault(f"{type(event).__name__} over {EVENT_BYTES_MAX} B")
        self.events.append(data)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """
        Keep what is written and told inside, or none of it if a Refusal leaves it.

        For what falls due at a block's start; a transaction's messages are one attempt already.
        """
        told = len(self.events)
        self._overlay.begin()
        try:
            yield
        except Refusal:
            self._overlay.rollback()
            del self.events[told:]
            raise
        self._overlay.commit()

    def begin_message(self) -> int:
        """How many events stand before the message; for `end_message`."""
        return len(self.events)

    def end_message(self, before: int) -> None:
        """Check the bound on one message's events."""
        told = len(self.events) - before
        if told > EVENTS_PER_MESSAGE_MAX:
            raise Fault(f"a message told {told} events")


class StateView:
    """A `View` of a committed state, for queries behind a door, a witness or a gateway."""

    __slots__ = ("_overlay", "height", "network", "time_ms")

    def __init__(self, overlay: Overlay, *, network: bytes, height: int, time_ms: int) -> None:
        """`overlay`: fresh over the state to read; it remembers decoded rows."""
        self._overlay = overlay
        self.network = network
        self.height = height
        self.time_ms = time_ms

    def read(self, table: Table[Row], *parts: int | str | bytes) -> Row | None:
        """The row with this key, or None."""
        return self._overlay.read(table, table.key(*parts))
