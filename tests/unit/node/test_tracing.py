"""Traces: a transaction's way in one trace, ids only, and a collector that can hurt nobody."""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from litestar import Litestar, asgi, get
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send
from opentelemetry.trace import StatusCode

from salus.base.errors import Category, Problem
from salus.doors.http.traced import traced
from salus.node import telemetry
from salus.node.telemetry import FIELDS, Complaints, kept
from salus.node.tracing import traces
from tests.support.ledgers import VIEW, Chain, FakeClock, Nodes
from tests.support.traces import Collector, kept_traces

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""The example of W3C Trace Context §3.2; sampled."""

UNSAMPLED = PARENT[:-1] + "0"
TRACE = int(PARENT[3:35], 16)


def test_a_transactions_way_stands_in_one_trace(tmp_path: Path) -> None:
    """Verified, admitted, executed, in the journal, applied, answered; ids, height and code."""
    chain = Chain(members=2)
    data = chain.sign(0, VIEW, nonce=0)
    with kept_traces() as found, chain.engine(tmp_path, FakeClock()) as engine:
        with traces.request("POST /v1/transactions", PARENT):
            done = engine.submit_and_wait(data)
        engine.close()

    door = "POST /v1/transactions"
    assert {
        "transaction.verify": door,
        "transaction.admit": door,
        "transaction.commit": door,
        "block": door,
        "block.execute": "block",
        "block.journal": "block",
        "block.apply": "block",
    } == {one.name: found.parent(one.name) for one in found.all() if one.name != door}
    assert {TRACE} == {one.context.trace_id for one in found.all()}
    assert {
        "salus.transaction": done.id.hex(),
        "salus.height": 1,
        "salus.position": 0,
        "salus.code": 0,
    } == dict(found.named("transaction.commit").attributes or {})
    assert {"salus.height": 1, "salus.count": 1} == dict(found.named("block").attributes or {})


def test_a_block_is_linked_to_the_traces_of_its_other_transactions(tmp_path: Path) -> None:
    """It stands in the trace of its first one; the others are found from there."""
    chain = Chain(members=2)
    with kept_traces() as found, chain.engine(tmp_path, FakeClock()) as engine:
        tickets = []
        for nonce in range(30):
            with traces.request(f"POST {nonce}", None):
                tickets.append(engine.submit(chain.sign(0, VIEW, nonce=nonce)))
        for ticket in tickets:
            ticket.done.result(30)
        engine.close()
    blocks = [one for one in found.all() if one.name == "block"]
    reached = {one.context.trace_id for one in blocks} | {
        link.context.trace_id for one in blocks for link in one.links
    }

    assert {one.context.trace_id for one in found.all() if one.name.startswith("POST")} <= reached


def test_a_refused_transaction_is_told_by_name(tmp_path: Path) -> None:
    """The step that refused it has no words, no trace of Python, and the refusal's kind."""
    chain = Chain(members=2)
    data = chain.sign(0, VIEW, nonce=0)
    with kept_traces() as found, chain.engine(tmp_path, FakeClock()) as engine:
        engine.submit_and_wait(data)
        with (
            suppress(Problem),
            traces.request("POST", PARENT),
            traces.span("broken", height=3),
        ):
            raise Problem(Category.INVALID, "NameOnly", "words about Ada Lovelace")
        engine.close()
    broken = found.named("broken")

    assert (StatusCode.ERROR, "NameOnly") == (broken.status.status_code, broken.status.description)
    assert () == tuple(broken.events)
    assert "Ada" not in "".join(one.to_json() for one in found.all())


SAMPLED = {
    "the caller keeps it, we would not": (PARENT, 0.0, 1),
    "the caller does not, we would": (UNSAMPLED, 1.0, 0),
    "nobody says, we keep all": (None, 1.0, 1),
    "nobody says, we keep none": (None, 0.0, 0),
    "no traceparent, but bytes": ("00-zz", 1.0, 1),
}


@pytest.mark.parametrize(("header", "sample", "count"), SAMPLED.values(), ids=SAMPLED.keys())
def test_who_chooses_what_is_kept(header: str | None, sample: float, count: int) -> None:
    """A request with a traceparent chose already; else the setting does."""
    with kept_traces(sample) as found, traces.request("GET", header), traces.span("inside"):
        pass

    assert count == len([one for one in found.all() if one.name == "inside"])


def test_what_is_given_on_is_the_traceparent_alone() -> None:
    """Of the span under way; a caller's tracestate and baggage go no further."""
    with kept_traces() as found, traces.request("GET", PARENT):
        given = traces.headers()
    span = found.named("GET").context

    assert {"traceparent": f"00-{PARENT[3:35]}-{span.span_id:016x}-01"} == given


TOLD = {
    "a number": ({"height": 7}, {"salus.height": 7}),
    "an id": ({"member": bytes(2)}, {"salus.member": "0000"}),
    "a route's pattern": ({"route": "/charts/{grant:str}"}, {"http.route": "/charts/{grant:str}"}),
    "an unknown field": ({"patient": "7"}, {}),
    "a sentence": ({"call": "Ada Lovelace"}, {}),
    "a long text": ({"call": "a" * 97}, {}),
    "a float": ({"count": 1.5}, {}),
}


@pytest.mark.parametrize(("ids", "expected"), TOLD.values(), ids=TOLD.keys())
def test_only_ids_numbers_and_names_of_our_own_are_told(
    ids: dict[str, object], expected: dict[str, object]
) -> None:
    """Whatever is handed in: a field on no list and a text with a blank are left out."""
    assert expected == kept(ids)
    assert all(name.startswith(("salus.", "http.")) for name in FIELDS.values())


def test_a_call_between_members_goes_on_in_the_callers_trace(tmp_path: Path) -> None:
    """A member that does not order hands its transaction on: one trace to the block and back."""
    with Nodes(tmp_path, members=2) as nodes, kept_traces() as found:
        with traces.request("POST", PARENT):
            nodes[1].ordering.submit(nodes.chain.sign(1, VIEW, nonce=0))
        time.sleep(0.05)
        own = {one.name for one in found.all() if one.context.trace_id == TRACE}

    assert {"POST", "peer.call", "peer.answer", "transaction.commit", "block"} <= own


@get("/charts/{grant:str}", sync_to_thread=False)
def chart(grant: FromPath[str]) -> str:
    """Answer anything."""
    return grant


@asgi("/peer/v1", is_mount=True, copy_scope=False)
async def peer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 204."""
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


REQUESTS = {
    "a route with an id": ("GET", "/charts/ada?name=lovelace", "GET /charts/{grant}", 200),
    "the peer door": ("POST", "/peer/v1/ada", "POST /peer/v1", 204),
    "no route": ("GET", "/ada", "GET", 404),
    "no known method": ("ADA", "/charts/ada", "_OTHER", 405),
}


@pytest.mark.parametrize(
    ("method", "path", "name", "status"), REQUESTS.values(), ids=REQUESTS.keys()
)
def test_a_request_is_told_by_its_routes_pattern(
    method: str, path: str, name: str, status: int
) -> None:
    """Method, pattern, status, in the caller's trace; nothing of the path itself or its query."""
    app = Litestar([chart, peer], openapi_config=None)
    with kept_traces() as found:
        answer = asyncio.run(ask(traced(app), method, path))
    (span,) = found.all()

    assert (status, status) == (
        answer.status_code,
        (span.attributes or {})["http.response.status_code"],
    )
    assert (name, TRACE) == (span.name, span.context.trace_id)
    assert "ada" not in span.to_json()


async def ask(app: Any, method: str, path: str) -> httpx.Response:
    """A request in a trace, without a socket."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        return await client.request(method, path, headers={"traceparent": PARENT})


def test_off_costs_no_import_and_changes_no_app() -> None:
    """A member process without the setting never loads OpenTelemetry; its app stays as it is."""
    code = (
        "import sys, salus.doors.member.process\n"
        "sys.exit(any(one.startswith('opentelemetry') for one in sys.modules))"
    )
    app = Litestar([])

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert app is traced(app)
    assert {} == traces.headers()
    assert traces.way() is None


def test_a_collector_is_sent_what_otlp_says() -> None:
    """POST /v1/traces, protobuf: the span, its parent, and whose process it is."""
    collector = Collector()
    traces.start(collector.url, name="north", member=bytes(16), sample=0.0)
    with traces.request("GET", PARENT, method="GET"), traces.span("inside", height=7):
        pass
    traces.stop()
    collector.close()
    spans = {span.name: (name, span) for name, span in collector.spans()}

    assert {"/v1/traces"} == set(collector.paths)
    assert {"GET", "inside"} == set(spans)
    assert {"north"} == {name for name, _ in spans.values()}
    assert spans["GET"][1].span_id == spans["inside"][1].parent_span_id
    assert bytes.fromhex(PARENT[3:35]) == spans["inside"][1].trace_id
    assert [("salus.height", 7)] == [
        (one.key, one.value.int_value) for one in spans["inside"][1].attributes
    ]


@pytest.mark.parametrize("kind", ["nobody listens", "it never answers"])
def test_a_dead_collector_hurts_nobody(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans go on being made, more than are kept, and a stop ends in its time."""
    monkeypatch.setattr(telemetry, "SEND_S", 0.3)
    collector = Collector(hang=True)
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
    url = collector.url if kind == "it never answers" else f"http://127.0.0.1:{port}"
    traces.start(url, name="north", member=bytes(16), sample=1.0)
    started_s = time.monotonic()
    for _ in range(telemetry.QUEUE_MAX + 1):
        with traces.span("one"):
            pass
    made_s = time.monotonic() - started_s
    traces.stop()
    stopped_s = time.monotonic() - started_s - made_s
    collector.close()

    assert made_s < 10
    assert stopped_s < 10 * telemetry.SEND_S


def test_complaints_are_told_once_in_a_while() -> None:
    """A hundred failures are one line, without the library's words."""
    handler = Complaints()
    record = logging.LogRecord("opentelemetry.x", logging.ERROR, "x.py", 1, "Ada", None, None)
    with structlog.testing.capture_logs() as lines:
        for _ in range(100):
            handler.emit(record)

    assert [("telemetry.failed", "warning")] == [(one["event"], one["log_level"]) for one in lines]
    assert "Ada" not in str(lines)
