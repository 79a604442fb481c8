"""
The peer door: another member's signed call in, an answer out (`salus.node.peers`).

Who calls is known by the call's signature, so the route itself asks for nothing.
"""

from anyio import CapacityLimiter, to_thread
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.doors.http.answers import told_of
from salus.doors.http.asgi import OCTETS, only_post, send_answer, send_problem
from salus.doors.http.bodies import read_body
from salus.doors.http.member import MemberDoor

CALLS_MAX = 64
"""Calls answered at once; each holds a thread, some for two seconds while blocks are awaited."""


def peer_route(member: MemberDoor) -> ASGIRouteHandler:
    """`POST /peer/v1`, body a signed call."""
    limiter = CapacityLimiter(CALLS_MAX)

    async def peer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            only_post(scope)
            call = await read_body(scope, receive, PEER_CALL_BYTES_MAX)
            data = await to_thread.run_sync(member.node.answer, call, limiter=limiter)
        except Exception as error:  # noqa: BLE001 (a door answers whatever happens)
            await send_problem(send, told_of(error))
            return
        await send_answer(send, 200, OCTETS, data)

    return asgi("/peer/v1", copy_scope=False)(peer)
