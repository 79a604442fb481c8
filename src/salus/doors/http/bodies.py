"""Bodies of requests, read whole and bounded, by routes that take bytes as they are."""

import asyncio
from typing import Any

from litestar.types import Receive, Scope

from salus.base.errors import Category, Problem

GRACE_S = 10.0
SLOWEST_BYTES_A_S = 1024
"""A body that comes slower than 1 KiB/s after ten seconds is dropped (`security.md` §8)."""


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The body; raises Problem BodyTooLarge (by its stated length first), BodyTooSlow."""
    stated = _stated_bytes(scope)
    if stated is not None and stated > limit_bytes:
        raise too_large(limit_bytes, stated)
    message: Any = await receive()
    body = _part(message)
    # A server may tell the end by an empty message of its own: no need to wait for it.
    if not message.get("more_body") or len(body) == stated:
        if len(body) > limit_bytes:
            raise too_large(limit_bytes, len(body))
        return body
    try:
        async with asyncio.timeout(GRACE_S + (stated or limit_bytes) / SLOWEST_BYTES_A_S):
            return await _rest(receive, body, limit_bytes)
    except TimeoutError:
        raise Problem(
            Category.INVALID, "BodyTooSlow", "the body came slower than 1 KiB/s; send it again"
        ) from None


def too_large(limit_bytes: int, found_bytes: int) -> Problem:
    """413 with the limit and what was found."""
    return Problem(
        Category.TOO_LARGE,
        "BodyTooLarge",
        f"expected at most {limit_bytes} bytes, found {found_bytes}; send less at once",
        limit_bytes=limit_bytes,
        found_bytes=found_bytes,
    )


async def _rest(receive: Receive, first: bytes, limit_bytes: int) -> bytes:
    parts = [first]
    size = len(first)
    while True:
        message: Any = await receive()
        parts.append(_part(message))
        size += len(parts[-1])
        if size > limit_bytes:
            raise too_large(limit_bytes, size)
        if not message.get("more_body"):
            return b"".join(parts)


def _part(message: Any) -> bytes:
    if message["type"] != "http.request":
        raise Problem(Category.INVALID, "BodyMissing", "the caller left before the body's end")
    body: bytes = message["body"]
    return body


def _stated_bytes(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
