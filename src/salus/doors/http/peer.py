"""
The peer door's route: another member's signed request in, an answer out (`salus.node.peers`).

Who calls is known by the request's signature, so the route itself asks for nothing.
"""

from typing import cast

from anyio import CapacityLimiter, to_thread
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.doors.http.answers import told_of
from salus.doors.http.asgi import OCTETS, only_post, send_answer, send_problem
from salus.doors.http.bodies import read_body
from salus.doors.http.member import MemberDoor
from salus.node.peer_target import PATH
from salus.node.signed_request import Request

CALLS_MAX = 64
"""Calls answered at once; each holds a thread, some for two seconds while blocks are awaited."""


def peer_route(member: MemberDoor) -> ASGIRouteHandler:
    """`POST /peer/v1/{network}/{route}`, signed."""
    limiter = CapacityLimiter(CALLS_MAX)

    async def peer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            only_post(scope)
            body = await read_body(scope, receive, PEER_CALL_BYTES_MAX)
            request = request_of(cast("HTTPScope", scope), body)
            reply = await to_thread.run_sync(member.node.door.reply, request, limiter=limiter)
        except Exception as error:  # noqa: BLE001 (a door answers whatever happens)
            await send_problem(send, told_of(error))
            return
        await send_answer(send, reply.status, OCTETS, reply.data)

    return asgi(PATH, is_mount=True, copy_scope=False)(peer)


def request_of(scope: HTTPScope, body: bytes) -> Request:
    """
    The request as its sender wrote it, the path before anything was decoded in it.

    The scheme is HTTPS: this route stands behind TLS alone. No host, or two, give a target that no
    door takes.
    """
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    hosts = [value for name, value in headers if name == "host"]
    host = hosts[0] if len(hosts) == 1 else ""
    path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return Request(scope["method"], f"https://{host}{path}?{query}", headers, body)
