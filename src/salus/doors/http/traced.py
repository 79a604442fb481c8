"""
A span around each request, in the trace that its `traceparent` names (`node.tracing`).

A request is told by method, the route's pattern and the status: never by its path, its query or its
headers, which may name a person.
"""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from salus.doors.http.transactions import SUBMIT_PATH
from salus.node.peer_target import PATH as PEER_PATH
from salus.node.tracing import traces

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"
"""OpenTelemetry's word for a method that nobody knows (semantic conventions, HTTP spans)."""


def traced(app: ASGIApp) -> ASGIApp:
    """The app, each request in a span; the app itself while traces are off."""
    if not traces.on:
        return app

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        path = scope["path"]  # a mount cuts it short
        method = scope["method"] if scope["method"] in METHODS else OTHER
        with traces.request(method, _traceparent(scope), method=method) as mark:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    mark.note(status=message["status"])
                await send(message)

            await app(scope, receive, told)
            route = _route(path, scope)
            mark.note(route=route)
            mark.name(f"{method} {route}".strip())

    return answer


def _route(path: str, scope: Scope) -> str:
    """The pattern of the route that answered; nothing if none did."""
    if path.endswith(SUBMIT_PATH):
        return SUBMIT_PATH
    if path.startswith(f"{PEER_PATH}/"):
        return PEER_PATH
    found = scope.get("path_template", "")
    return found if isinstance(found, str) else ""


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return value.decode("latin-1")
    return None
