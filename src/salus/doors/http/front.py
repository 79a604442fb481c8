"""
The busiest paths, answered in front of the framework's router.

The framework looks a path up, keeps state for each request and wraps it twice. What stands here is
a bare ASGI handler that answers whatever happens; `openapi.py` describes it, since the framework
does not know of it.
"""

from collections.abc import Awaitable, Mapping

from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils import normalize_path


def in_front(app: ASGIApp, routes: Mapping[str, ASGIApp]) -> ASGIApp:
    """The app, with these paths answered by their own handlers; each spelling it would accept."""

    def door(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        route = routes.get(path) or routes.get(normalize_path(path), app)
        return route(scope, receive, send)

    return door
