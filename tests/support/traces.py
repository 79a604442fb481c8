"""Traces in tests: kept in memory, or taken by a collector that speaks OTLP over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from salus.node.telemetry import Sender
from salus.node.tracing import traces

MEMBER = bytes(range(16))


class Kept:
    """Spans of this process, as they ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def all(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        (found,) = (one for one in self.all() if one.name == name)
        return found

    def parent(self, name: str) -> str | None:
        """The name of the span that one stands in."""
        above = self.named(name).parent
        if above is None:
            return None
        return next(one.name for one in self.all() if one.context.span_id == above.span_id)


@contextmanager
def kept_traces(sample: float = 1.0) -> Iterator[Kept]:
    """Traces switched on, kept in memory."""
    kept = Kept()
    processor = SimpleSpanProcessor(kept.exporter)
    traces.use(Sender(processor, name="north", member=MEMBER, sample=sample))
    try:
        yield kept
    finally:
        traces.stop()


class Collector:
    """Takes what exporters send, decoded; `hang`: takes it and never answers."""

    def __init__(self, *, hang: bool = False) -> None:
        self.paths: list[str] = []
        self.taken: list[ExportTraceServiceRequest] = []
        self._leaving = threading.Event()
        collector = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.append(self.path)
                collector.taken.append(ExportTraceServiceRequest.FromString(body))
                if hang:
                    collector._leaving.wait(30)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[tuple[str, Any]]:
        """Each span with the short name of the member that sent it."""
        return [
            (_text(part.resource.attributes, "service.instance.id"), span)
            for request in self.taken
            for part in request.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]


def _text(attributes: Any, key: str) -> str:
    return next(str(one.value.string_value) for one in attributes if one.key == key)
