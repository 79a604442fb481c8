"""Who may use a member's operator routes: whoever holds its token."""

import hmac
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from salus.base.errors import Category, Problem

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]

SCHEME = "Bearer "
"""RFC 6750 §2.1."""


def operator_guard(token: str) -> Guard:
    """Refuse with OperatorTokenMissing whoever does not send the token."""
    expected = (SCHEME + token).encode()

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        found = connection.headers.get("authorization", "").encode()
        if not hmac.compare_digest(expected, found):
            raise Problem(
                Category.UNAUTHENTICATED,
                "OperatorTokenMissing",
                "expected this member's operator token as `Authorization: Bearer ...`; it lies "
                "beside the member's keys",
            )

    return guard
