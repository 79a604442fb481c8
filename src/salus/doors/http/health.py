"""Whether the process lives, and whether its nodes serve: for supervisors and load balancers."""

from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler

from salus.doors.http.answers import Reply, answer
from salus.doors.http.member import MemberDoor
from salus.node.node import Node


def unready(node: Node) -> str | None:
    """Why a node does not serve: its copy or engine stopped, or is behind; None if it serves."""
    for part in (node.replica, node.engine):
        why = None if part is None else part.unready()
        if why is not None:
            return why
    return None


def health_routes(members: Sequence[MemberDoor]) -> list[HTTPRouteHandler]:
    """`/health/live` and `/health/ready`."""

    @get("/health/live", sync_to_thread=False, tags=["health"])
    def live() -> Reply:
        """
        Tell that the process answers.

        Says nothing of its nodes.
        """
        return answer({"live": True})

    @get("/health/ready", sync_to_thread=True, tags=["health"])
    def ready() -> Reply:
        """
        Tell each member's height, and 503 with the reason if one of them stopped or is behind.

        A load balancer takes the process out while it says so.
        """
        states = {
            one.name: {"height": one.node.ledger.tip.height, "unready": unready(one.node)}
            for one in members
        }
        is_ready = all(state["unready"] is None for state in states.values())
        return answer({"members": states, "ready": is_ready}, status=200 if is_ready else 503)

    return [live, ready]
