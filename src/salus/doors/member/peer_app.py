"""
The peer door's app: `POST /peer/v1/…` for signed requests, `GET /health/live`, what a joiner asks.

It stands on a port of its own, behind TLS 1.3; who calls is known by the request's signature.
"""

from litestar import Litestar

from salus.doors.http.answers import SAFE_HEADERS, on_error
from salus.doors.http.app import given
from salus.doors.http.health import health_routes
from salus.doors.http.joining import JOINING_ROUTES
from salus.doors.http.member import MemberDoor
from salus.doors.http.peer import peer_route


def create_peer_app(member: MemberDoor) -> Litestar:
    """The app of one member's peer door."""
    live, _ready = health_routes([member])
    return Litestar(
        [peer_route(member), live, *JOINING_ROUTES],
        dependencies=given({"door": member}),
        exception_handlers={Exception: on_error},
        openapi_config=None,
        response_headers=SAFE_HEADERS,
        logging_config=None,
    )
