"""
What a new member asks of one that is there: the genesis file, and where the nodes listen.

Nothing of it is believed: the genesis file is held to the network id that the joiner was told by
another way, and a node that is none of the members' brings no block that executes.
"""

from litestar import MediaType, Response, get

from salus.doors.http.answers import Reply, answer
from salus.doors.http.member import Door
from salus.node.comet.nodes import newest_names
from salus.node.comet.validators import node_id
from salus.node.node import Node


@get("/v1/genesis", sync_to_thread=False)
def genesis(door: Door) -> Reply:
    """Give the network's genesis file, byte for byte; its hash is the network's id."""
    return Response(door.node.ledger.genesis, media_type=MediaType.JSON)


@get("/v1/nodes", sync_to_thread=True)
def nodes(door: Door) -> Reply:
    """List the members' nodes that this one knows, its own first; none where one member orders."""
    return answer({"nodes": _nodes(door.node)})


JOINING_ROUTES = (genesis, nodes)


def _nodes(node: Node) -> list[str]:
    home = node.comet
    if home is None:
        return []
    own = f"{node_id(home.node_key().public)}@{home.listen}"
    return [own, *newest_names(node.ledger.view(), home.peers)]
