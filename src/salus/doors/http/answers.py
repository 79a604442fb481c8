"""
How answers leave: JSON, and every "no" as an RFC 9457 problem document.

Litestar's own errors are translated too, without their words: they may quote the request.
"""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from salus.base.errors import Category
from salus.doors.problems import MEDIA_TYPE, Told, tell

RETRY_AFTER_S = 1
"""What a caller who met a full pool or a pause waits before the next try."""

SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer (`security.md` §7): nothing here is a page."""

PRIVATE = {"cache-control": "no-store"}
"""On personal data."""

Reply = Response[bytes]
"""What every route gives: bytes, encoded here."""

_WORDS = {
    400: (
        "RequestMalformed",
        Category.MALFORMED,
        "see the route's parameters in /schema/openapi.json",
    ),
    401: ("OperatorTokenMissing", Category.UNAUTHENTICATED, "send the operator's bearer token"),
    404: ("RouteUnknown", Category.NOT_FOUND, "no such route; the index at / lists them"),
    405: (
        "MethodNotAllowed",
        Category.INVALID,
        "the route has other methods; see /schema/openapi.json",
    ),
    413: ("BodyTooLarge", Category.TOO_LARGE, "the body is over the route's limit; send less"),
    415: ("MediaTypeUnknown", Category.INVALID, "the route takes another media type"),
}


def answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """JSON of a value of JSON types (`plain` makes one)."""
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(data, status_code=status, media_type=MediaType.JSON, headers=headers)


def problem(told: Told) -> Reply:
    """The problem document of a "no"."""
    return Response(
        msgspec.json.encode(told.document),
        status_code=told.status,
        media_type=MEDIA_TYPE,
        headers=SAFE_HEADERS | problem_headers(told),
    )


def problem_headers(told: Told) -> dict[str, str]:
    """Headers that go with a "no": when to try again, how to log in."""
    if told.category in (Category.BUSY, Category.UNAVAILABLE):
        return {"retry-after": str(RETRY_AFTER_S)}
    if told.category is Category.UNAUTHENTICATED:
        return {"www-authenticate": "Bearer"}
    return {}


def told_of(error: BaseException) -> Told:
    """Any error as a "no", those of the web framework too."""
    if not isinstance(error, HTTPException):
        return tell(error)
    status = error.status_code
    if status not in _WORDS:
        return tell(error)
    name, category, text = _WORDS[status]
    return Told(name, text, category, http_status=status)


def on_error(_request: Request[Any, Any, Any], error: Exception) -> Reply:
    """Litestar's exception handler for everything."""
    return problem(told_of(error))
