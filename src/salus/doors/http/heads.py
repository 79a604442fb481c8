"""The bound on a request's head, which the server itself holds only roughly (`security.md` §8)."""

from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from salus.base.errors import Category
from salus.doors.http.asgi import send_problem
from salus.doors.problems import Told

TARGET_BYTES_MAX = 8 * 1024
HEADERS_BYTES_MAX = 16 * 1024

TOO_LARGE = Told(
    "HeadTooLarge",
    f"expected at most {TARGET_BYTES_MAX} bytes of path and query, {HEADERS_BYTES_MAX} of headers; "
    "send less, or a body",
    Category.TOO_LARGE,
    http_status=431,
)
"""RFC 6585 §5."""


def bounded(app: ASGIApp) -> ASGIApp:
    """The app behind the bound on heads; a middleware."""

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if _is_over(cast("HTTPScope", scope)):
            await send_problem(send, TOO_LARGE)
        else:
            await app(scope, receive, send)

    return door


def _is_over(scope: HTTPScope) -> bool:
    if len(scope["path"]) + len(scope["query_string"]) > TARGET_BYTES_MAX:
        return True
    return sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_BYTES_MAX
