"""
What stands behind `tracing` once a collector is named: OpenTelemetry's SDK, sent by OTLP over HTTP.

Nothing here may hurt the node: spans wait in a bounded queue and are dropped when it is full, a
collector that does not answer is told of once a minute, and a stop waits for it three seconds.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from salus.base.errors import Problem

log = structlog.get_logger()

PATH = "/v1/traces"
"""Below the collector's address (OTLP specification, "OTLP/HTTP Request")."""

SEND_S = 3.0
"""How long one request to the collector may take, and the whole of a stop."""

QUEUE_MAX = 2_048
BATCH_MAX = 512
"""Spans that wait to be sent, a few MB; and of one request."""

EVERY_MS = 1_000
"""How often what waits is sent."""

LINKS_MAX = 32
"""Transactions of one block that its span names beside the first."""

COMPLAIN_S = 60.0
"""A collector that does not answer is told of so often."""

TRACEPARENT = "traceparent"
"""The one header taken and given (W3C Trace Context §3.2); `tracestate` is others' words."""

FIELDS = {
    "code": "salus.code",
    "call": "salus.call",
    "count": "salus.count",
    "height": "salus.height",
    "member": "salus.member",
    "method": "http.request.method",
    "position": "salus.position",
    "route": "http.route",
    "status": "http.response.status_code",
    "transaction": "salus.transaction",
}
"""What a span may hold: ids, numbers and names of our own, as the log's list; all else is left."""

TEXT = re.compile(r"[A-Za-z0-9_./{}:-]{1,96}\Z")
"""A name of our own, or an id in hex; no other text becomes an attribute."""


class Mark:
    """A span under way, to which its end may add what is known by then."""

    def __init__(self, span: trace.Span) -> None:
        """Of one span."""
        self._span = span

    def note(self, **ids: object) -> None:
        """Add ids and numbers."""
        self._span.set_attributes(kept(ids))

    def name(self, name: str) -> None:
        """Name the span anew."""
        self._span.update_name(name)


class Sender:
    """Makes spans and hands them to a processor."""

    def __init__(
        self, processor: SpanProcessor, *, name: str, member: bytes, sample: float
    ) -> None:
        """
        Know who speaks: the member's short name and id.

        `sample`: of the traces that begin here, the share that is kept; whoever calls with a
        `traceparent` has chosen already.
        """
        about = {
            "service.name": "salus",
            "service.version": version("salus"),
            "service.instance.id": name,
            "salus.member": member.hex(),
        }
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(sample),
            resource=Resource.create(about),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("salus")
        self._headers = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self,
        name: str,
        ids: Mapping[str, object],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        context: Context | None = None,
        links: Sequence[Link] = (),
    ) -> Iterator[Mark]:
        """Run inside a span; an error that passes through is told by its name alone."""
        with self._tracer.start_as_current_span(
            name,
            context,
            kind,
            attributes=kept(ids),
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield Mark(span)
            except BaseException as error:
                span.set_status(failed(error))
                raise

    def call(self, name: str, ids: Mapping[str, object]) -> AbstractContextManager[Mark]:
        """Run inside the span of a request to another member."""
        return self.span(name, ids, kind=SpanKind.CLIENT)

    def request(
        self, name: str, traceparent: str | None, ids: Mapping[str, object]
    ) -> AbstractContextManager[Mark]:
        """Run inside the span of a request that came, in the trace it names if it names one."""
        carrier = {} if traceparent is None else {TRACEPARENT: traceparent}
        context = self._headers.extract(carrier, Context())
        return self.span(name, ids, kind=SpanKind.SERVER, context=context)

    def block(self, ways: "Sequence[Way]") -> AbstractContextManager[Mark]:
        """Run inside a block's span: in its first transaction's trace, linked to the others."""
        links = [Link(way.span.get_span_context()) for way in ways[1 : 1 + LINKS_MAX]]
        context = trace.set_span_in_context(ways[0].span) if ways else Context()
        return self.span("block", {}, context=context, links=links)

    def way(self) -> "Way | None":
        """A transaction's way from here on, if the span it came in is kept."""
        span = trace.get_current_span()
        return Way(self._tracer, span) if span.is_recording() else None

    def headers(self) -> dict[str, str]:
        """What a request to another member says of the span it is made in."""
        given: dict[str, str] = {}
        self._headers.inject(given)
        return {name: text for name, text in given.items() if name == TRACEPARENT}

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class Way:
    """One transaction's steps, each a span that begins where the one before ended."""

    __slots__ = ("_since_ns", "_tracer", "span")

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        """`span`: what it came in."""
        self.span = span
        self._tracer = tracer
        self._since_ns = time.time_ns()

    def step(self, name: str, **ids: object) -> None:
        """End a step that took from the last one's end until now."""
        self._end(name, kept(ids), None)

    def ends_with(self, done: "Future[Any]") -> None:
        """End the way with the transaction's own end: a `mempool.Done`, or why there is none."""
        done.add_done_callback(self._ended)

    def _ended(self, done: "Future[Any]") -> None:
        error = done.exception()
        if error is not None:
            self._end("transaction.commit", {}, failed(error))
            return
        end = done.result()
        self.step(
            "transaction.commit",
            transaction=end.id,
            height=end.height,
            position=end.position,
            code=end.receipt.code,
        )

    def _end(self, name: str, ids: dict[str, int | str], status: Status | None) -> None:
        context = trace.set_span_in_context(self.span)
        now_ns = time.time_ns()
        made = self._tracer.start_span(name, context, attributes=ids, start_time=self._since_ns)
        if status is not None:
            made.set_status(status)
        made.end(now_ns)
        self._since_ns = now_ns


class Complaints(logging.Handler):
    """Tells of a collector that does not answer in the node's own log, once in a while."""

    def __init__(self) -> None:
        """Nothing told so far."""
        super().__init__(logging.WARNING)
        self._told_s = -COMPLAIN_S

    def emit(self, record: logging.LogRecord) -> None:
        """Tell, unless it was told a moment ago; the library's words may quote an address."""
        now_s = time.monotonic()
        if now_s - self._told_s >= COMPLAIN_S:
            self._told_s = now_s
            log.warning("telemetry.failed", place=record.module)


class Batches(BatchSpanProcessor):
    """Spans sent to a collector by a thread of their own."""

    def __init__(self, collector: str) -> None:
        """`collector`: `http://host:port`; nothing is sent yet."""
        self._exporter = OTLPSpanExporter(collector.rstrip("/") + PATH, timeout=SEND_S)
        super().__init__(
            self._exporter,
            max_queue_size=QUEUE_MAX,
            schedule_delay_millis=EVERY_MS,
            max_export_batch_size=BATCH_MAX,
        )

    def shutdown(self) -> None:
        """Send what waits, for three seconds at most: then the exporter gives every batch up."""
        giving_up = threading.Timer(SEND_S, self._exporter.shutdown)
        giving_up.daemon = True
        giving_up.start()
        super().shutdown()  # type: ignore[no-untyped-call]  # the library leaves it so
        giving_up.cancel()


def sender(collector: str, *, name: str, member: bytes, sample: float) -> Sender:
    """Make a sender to a collector; its library's complaints go to the node's log."""
    library = logging.getLogger("opentelemetry")
    if not any(isinstance(one, Complaints) for one in library.handlers):
        library.addHandler(Complaints())
        library.propagate = False
    return Sender(Batches(collector), name=name, member=member, sample=sample)


def kept(ids: Mapping[str, object]) -> dict[str, int | str]:
    """Attributes of what may be told: known names, numbers, and text that is no sentence."""
    found: dict[str, int | str] = {}
    for name, value in ids.items():
        shown = value.hex() if isinstance(value, bytes) else value
        if name in FIELDS and (
            isinstance(shown, int) or (isinstance(shown, str) and TEXT.match(shown))
        ):
            found[FIELDS[name]] = shown
    return found


def failed(error: BaseException) -> Status:
    """An error's status: a Problem's stable name or the error's kind, never its words."""
    name = error.name if isinstance(error, Problem) else type(error).__name__
    return Status(StatusCode.ERROR, name)
