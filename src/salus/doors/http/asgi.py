"""Answers of the bare ASGI routes, those whose bodies are bytes and whose pace matters."""

import msgspec
from litestar.types import Scope, Send

from salus.base.errors import Category, Problem
from salus.doors.http.answers import SAFE_HEADERS, problem_headers
from salus.doors.problems import MEDIA_TYPE, Told

Headers = list[tuple[bytes, bytes]]

_STEADY: Headers = [(name.encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_PROBLEM: Headers = [(b"content-type", MEDIA_TYPE.encode()), *_STEADY]

JSON: Headers = [(b"content-type", b"application/json"), *_STEADY]
OCTETS: Headers = [(b"content-type", b"application/octet-stream"), *_STEADY]


def only_post(scope: Scope) -> None:
    """Raise Problem MethodNotAllowed unless the method is POST."""
    if scope["method"] != "POST":  # type: ignore[typeddict-item]  # an HTTP scope
        raise Problem(Category.INVALID, "MethodNotAllowed", "this path takes a POST of bytes")


async def send_problem(send: Send, told: Told) -> None:
    """Answer a "no" as a problem document."""
    more = [(name.encode(), value.encode()) for name, value in problem_headers(told).items()]
    await send_answer(send, told.status, [*_PROBLEM, *more], msgspec.json.encode(told.document))


async def send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer with a body."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
