"""The bound on a request's head, which the server itself holds only roughly (`security.md` §8)."""

import re
from typing import cast

from litestar.exceptions import ClientException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from salus.base.errors import Category
from salus.doors.http.answers import told_of
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


HOST_MALFORMED = told_of(ClientException())
"""As the framework's own check of the Host header is told, for what does not come to it."""

_HOST = re.compile(rb"[0-9A-Za-z!$&'()*+,;=\-._~:\[\]@%]*\Z")
"""What a host may be spelled with (RFC 3986 §3.2.2), a port and a user behind and before it."""


def bounded(app: ASGIApp) -> ASGIApp:
    """The app behind the bound on heads; a middleware."""

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        told = _refusal(cast("HTTPScope", scope))
        if told is None:
            await app(scope, receive, send)
        else:
            await send_problem(send, told)

    return door


def _refusal(scope: HTTPScope) -> Told | None:
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"host" and _HOST.match(value) is None:
            return HOST_MALFORMED
    is_long = len(scope["path"]) + len(scope["query_string"]) > TARGET_BYTES_MAX
    return TOO_LARGE if is_long or size > HEADERS_BYTES_MAX else None
