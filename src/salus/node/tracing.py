"""
Traces of what a node does, in OpenTelemetry's words; off unless `[telemetry]` names a collector.

    POST /v1/transactions ┬ transaction.verify, .admit, .commit      one transaction's steps
                          └ block ─ block.execute, .journal, .apply  made for it and others
    GET …/charts/{grant} ─ session.fetch, .announce, .collect ─ peer.call
    peer.call ─ POST /peer/v1 (at the other member) ─ peer.answer ─ witness.release

While it is off nothing of OpenTelemetry is imported, and each call here costs one look at a name.
Spans hold ids and numbers (`telemetry.FIELDS`), never a person's data, a secret or an error's text.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from salus.node.telemetry import Mark, Sender, Way


P = ParamSpec("P")
T = TypeVar("T")


class Nothing:
    """The span of a node that keeps none."""

    def __enter__(self) -> Self:
        """Go on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Go on."""

    def note(self, **ids: object) -> None:
        """Forget them."""

    def name(self, name: str) -> None:
        """Forget it."""


NOTHING = Nothing()

Spanned = AbstractContextManager["Mark"] | Nothing


class Traces:
    """The one switch of a process."""

    def __init__(self) -> None:
        """Off."""
        self._sender: Sender | None = None

    @property
    def on(self) -> bool:
        """Whether spans are made."""
        return self._sender is not None

    def start(self, collector: str, *, name: str, member: bytes, sample: float) -> None:
        """Send spans to a collector from now on; see `telemetry.sender`."""
        from salus.node.telemetry import sender  # noqa: PLC0415 (imported only where it is on)

        self.use(sender(collector, name=name, member=member, sample=sample))

    def use(self, sender: "Sender") -> None:
        """Make spans with this sender from now on."""
        self._sender = sender

    def stop(self) -> None:
        """Send what waits, and make no more."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()

    def span(self, name: str, **ids: object) -> Spanned:
        """Run inside a span, in the one that is under way."""
        return NOTHING if self._sender is None else self._sender.span(name, ids)

    def spanned(self, name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Run every call of a function inside a span."""

        def wrap(function: Callable[P, T]) -> Callable[P, T]:
            @wraps(function)
            def run(*given: P.args, **named: P.kwargs) -> T:
                if self._sender is None:
                    return function(*given, **named)
                with self._sender.span(name, {}):
                    return function(*given, **named)

            return run

        return wrap

    def carried(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, to be called in other threads inside the span that is under way here."""
        if self._sender is None:
            return function
        context = copy_context()

        def run(*given: P.args, **named: P.kwargs) -> T:
            return context.copy().run(function, *given, **named)

        return run

    def call(self, name: str, **ids: object) -> Spanned:
        """Run inside the span of a request to another member."""
        return NOTHING if self._sender is None else self._sender.call(name, ids)

    def request(self, name: str, traceparent: str | None, **ids: object) -> Spanned:
        """Run inside the span of a request that came, in the trace it names."""
        return NOTHING if self._sender is None else self._sender.request(name, traceparent, ids)

    def block(self, tickets: Iterable[Any]) -> Spanned:
        """Run inside the span of a block made of these tickets (`mempool.Ticket`)."""
        if self._sender is None:
            return NOTHING
        return self._sender.block([one.way for one in tickets if one.way is not None])

    def way(self) -> "Way | None":
        """A transaction's way from here on; None if nobody keeps it."""
        return None if self._sender is None else self._sender.way()

    def headers(self) -> dict[str, str]:
        """Headers for a request to another member: `traceparent`, or none."""
        return {} if self._sender is None else self._sender.headers()


traces = Traces()
"""This process's."""
