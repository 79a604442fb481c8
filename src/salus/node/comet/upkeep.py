"""
What CometBFT cannot do by itself while it runs: take another node key, let a removed member go.

It reads its key at its start and asks who may connect at the first word alone, so both mean a
restart of its process, a second or two. Its member's voice is then missing from a block at most.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from salus.base.signing import key_id
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import NODE
from salus.node.comet import validators
from salus.node.comet.home import CometHome
from salus.node.comet.process import CometProcess
from salus.node.comet.rpc import UNANSWERED, ask
from salus.node.ledger import Ledger
from salus.node.regularly import Regularly

log = structlog.get_logger()

LOOK_S = 0.5
"""Between looks at the ledger."""

CONNECTED_S = 5.0
"""Between questions who is connected; asked only while somebody was removed."""

APART_S = 3.0
"""Between the restarts of two members for one removal: all at once would halt the network. The
last of 64 drops a removed member within 4 minutes; the bar is 10 (`security.md` §6)."""


class Upkeep:
    """Looks from its constructor until `close`."""

    def __init__(self, ledger: Ledger, home: CometHome, process: CometProcess) -> None:
        """Of one node."""
        self._ledger = ledger
        self._home = home
        self._process = process
        self._looks = 0
        self._looking = Regularly("comet-upkeep", LOOK_S, self._look)
        self._looking.start()

    def close(self) -> None:
        """Look no more; before the process is stopped."""
        self._looking.close()

    def _look(self) -> None:
        self._looks += 1
        view = self._ledger.view()
        if self._home.has_next_key() and acts(view, self._home.next_key().public):
            self._process.restart(self._take_next_key)
            log.info("comet.key_changed", height=view.height)
        elif self._looks % int(CONNECTED_S / LOOK_S) == 0 and has_removed(view):
            self._drop_removed(view)

    def _take_next_key(self) -> None:
        self._home.change_key()
        self._home.write(self._ledger)

    def _drop_removed(self, view: View) -> None:
        """Restart without them, each member in its turn, if they did not go by themselves."""
        if not removed(view, connected(self._home.rpc_socket)):
            return
        own = validators.node_id(self._home.node_key().public)
        stopped = self._looking.rest(APART_S * turn(view, own))
        strangers = removed(self._ledger.view(), connected(self._home.rpc_socket))
        if strangers and not stopped:
            self._process.restart(lambda: self._home.write(self._ledger))
            log.warning("comet.removed_dropped", count=len(strangers))


def acts(view: View, key: bytes) -> bool:
    """
    Whether the next block is signed by this node key (33 B).

    A key that came with block H signs from H + 2 on; the old one still has to sign H + 1.
    """
    owner = members.key_owner(view, key_id(key))
    if owner is None or owner.use != NODE:
        return False
    row = members.key(view, owner.member, NODE)
    return row is not None and row.key == key and row.from_ms < view.time_ms


def has_removed(view: View) -> bool:
    """Whether any member was ever removed."""
    return any(_is_removed(view, member) for member in members.admitted(view))


def removed(view: View, nodes: Sequence[str]) -> list[str]:
    """Those of these nodes (40 hex) that are a removed member's, or nobody's."""
    owners = validators.owners(view)
    found = {one: owners.get(bytes.fromhex(one)) for one in nodes}
    return [one for one, owner in found.items() if owner is None or _is_removed(view, owner)]


def turn(view: View, node: str) -> int:
    """This node's place among all active members' nodes, from 0."""
    nodes = sorted(
        validators.node_id(row.key)
        for member in members.roster(view)
        if (row := members.key(view, member, NODE)) is not None
    )
    return nodes.index(node) if node in nodes else len(nodes)


def connected(socket: Path) -> list[str]:
    """The nodes that the own CometBFT is connected with, 40 hex each; none while it starts."""
    try:
        return [one.node_info.id for one in ask(socket, "net_info", _NetInfo).peers]
    except UNANSWERED:
        return []


def _is_removed(view: View, member: bytes) -> bool:
    row = members.member(view, member)
    return row is not None and row.status == "removed"


class _NodeInfo(msgspec.Struct):
    id: str


class _Peer(msgspec.Struct):
    node_info: _NodeInfo


class _NetInfo(msgspec.Struct):
    peers: list[_Peer]
