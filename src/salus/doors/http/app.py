"""
The web door of one or several members in this process.

    /                    the index                  /health/live, /health/ready, /metrics
    /v1/…, /log/…        the first member's ledger  /schema/openapi.json
    /<name>/v1/… and so on for every member; /<name>/gateway/v1/… by its operator's token

Nodes are synchronous: reads run in threads, submissions by one wake-up a block.
"""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Response, Router, get
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from salus.base.errors import invariant
from salus.doors.http.answers import SAFE_HEADERS, Reply, answer, on_error
from salus.doors.http.bundles import Bundles
from salus.doors.http.front import in_front
from salus.doors.http.gateway import GATEWAY_ROUTES
from salus.doors.http.heads import bounded
from salus.doors.http.health import health_routes
from salus.doors.http.joining import JOINING_ROUTES
from salus.doors.http.ledger import LEDGER_ROUTES
from salus.doors.http.member import MemberDoor
from salus.doors.http.metrics import Meters
from salus.doors.http.openapi import OPERATOR, describe_bytes_routes, openapi_config
from salus.doors.http.operator import operator_guard
from salus.doors.http.queries import query_routes
from salus.doors.http.submitting import Submitting
from salus.doors.http.tlog import TLOG_ROUTES, Notes
from salus.doors.http.transactions import SUBMIT_PATH, TRANSACTION_ROUTES, submit_route
from salus.machine.module import Module

JSON_BYTES_MAX = 1024 * 1024
"""A JSON body (`security.md` §8); routes that take more say so."""


def create_app(members: Sequence[MemberDoor]) -> Litestar:
    """The app of these members; the first one's ledger also stands without its name."""
    invariant(members, "a web door needs at least one member")
    meters = Meters(members)
    routers: list[Router] = []
    front: dict[str, ASGIApp] = {}
    for place, member in enumerate(members):
        submitting = Submitting(member, meters)
        is_first = place == 0
        submit = submit_route(submitting)
        front[f"/{member.name}{SUBMIT_PATH}"] = submit
        if is_first:
            front[SUBMIT_PATH] = submit
            routers.append(_ledger_router("/", member, submitting, shown=True))
        routers.append(_ledger_router(f"/{member.name}", member, submitting, shown=False))
        routers += _gateway_routers(member, shown=is_first)
    app = Litestar(
        [*routers, *health_routes(members), *_own_routes(members, meters)],
        exception_handlers={Exception: on_error},
        middleware=[bounded],
        openapi_config=openapi_config(),
        request_max_body_size=JSON_BYTES_MAX,
        response_headers=SAFE_HEADERS,
        logging_config=None,
    )
    describe_bytes_routes(app)
    app.asgi_handler = in_front(app.asgi_handler, front)
    return app


def ledger_handlers(modules: Sequence[Module]) -> tuple[HTTPRouteHandler, ...]:
    """The public routes of one member that the framework serves, its modules' queries too."""
    own = (*TRANSACTION_ROUTES, *LEDGER_ROUTES, *JOINING_ROUTES, *TLOG_ROUTES)
    return (*own, *query_routes(modules))


def _ledger_router(path: str, member: MemberDoor, submitting: Submitting, *, shown: bool) -> Router:
    handlers = ledger_handlers(member.node.ledger.machine.modules)
    values = {
        "door": member,
        "submitting": submitting,
        "notes": Notes(member),
        "bundles": Bundles(member.node),
    }
    return Router(
        path, route_handlers=handlers, dependencies=given(values), include_in_schema=shown
    )


def _gateway_routers(member: MemberDoor, *, shown: bool) -> list[Router]:
    if member.gateway is None or member.operator_token is None:
        return []
    return [
        Router(
            f"/{member.name}/gateway/v1",
            route_handlers=GATEWAY_ROUTES,
            dependencies=given({"door": member, "gateway": member.gateway}),
            guards=[operator_guard(member.operator_token)],
            include_in_schema=shown,
            security=[{OPERATOR: []}],
            tags=["gateway"],
        )
    ]


def given(values: dict[str, Any]) -> dict[str, Provide]:
    """Values as what routes of a router are handed, by parameter name."""
    return {name: Provide(_always(value), sync_to_thread=False) for name, value in values.items()}


def _always(value: Any) -> Any:
    def give() -> Any:
        return value

    return give


def _own_routes(members: Sequence[MemberDoor], meters: Meters) -> list[HTTPRouteHandler]:
    links = {
        "api": "/schema/openapi.json",
        "status": "/v1/status",
        "members": {one.name: f"/{one.name}/v1/status" for one in members},
        "checkpoint": "/log/checkpoint",
        "health": "/health/ready",
        "metrics": "/metrics",
    }

    @get("/", sync_to_thread=False, tags=["health"])
    def index() -> Reply:
        """Show where everything is."""
        return answer({"salus": "a health ledger its members run together", "links": links})

    @get("/metrics", sync_to_thread=True, tags=["health"])
    def metrics() -> Reply:
        """Give the numbers Prometheus scrapes, in its text format."""
        return Response(meters.text(), media_type="text/plain; version=0.0.4")

    return [index, metrics]
