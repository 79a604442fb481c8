"""The web door's description without a node behind it: for reference pages and client makers."""

from collections.abc import Sequence

from litestar import Litestar, Router

from salus.doors.http.app import given, ledger_handlers
from salus.doors.http.gateway import GATEWAY_ROUTES
from salus.doors.http.openapi import OPERATOR, describe_bytes_routes, openapi_config
from salus.machine.module import Module

GIVEN = ("door", "submitting", "notes", "bundles", "gateway")
"""Names of what routers hand to routes; nothing is called here."""


def described_app(modules: Sequence[Module]) -> Litestar:
    """An app that only describes itself; operator routes stand under `/member`."""
    gateway = Router("/member/gateway/v1", route_handlers=GATEWAY_ROUTES, security=[{OPERATOR: []}])
    app = Litestar(
        [*ledger_handlers(modules), gateway],
        dependencies=given(dict.fromkeys(GIVEN)),
        openapi_config=openapi_config(),
        logging_config=None,
    )
    describe_bytes_routes(app)
    return app
