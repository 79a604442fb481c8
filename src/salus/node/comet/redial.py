"""
Members' nodes that are not connected are dialled again and again, for ever.

CometBFT itself dials a lost peer 20 times, then after 3, 9, 27, 81, … seconds, and gives it up
after some eight hours (`p2p/switch.go`; its `persistent_peers_max_dial_period` has a say only in
peer exchange, which is off). A line that was down for minutes would then be back for minutes before
anybody tries it, and one that was down for a night would be lost until somebody restarts.
"""

from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import msgspec
import structlog

from salus.machine.context import View
from salus.node.comet import validators
from salus.node.comet.home import CometHome
from salus.node.comet.nodes import newest_names
from salus.node.comet.rpc import UnixConnection
from salus.node.comet.upkeep import connected
from salus.node.ledger import Ledger
from salus.node.regularly import Regularly

log = structlog.get_logger()

LOOK_S = 10.0
"""Between looks. CometBFT waits up to 3 s more before it dials; a healed line should be back in 30
(`security.md` T8)."""


class Redial:
    """Looks from its constructor until `close`."""

    def __init__(self, ledger: Ledger, home: CometHome) -> None:
        """Of one node."""
        self._ledger = ledger
        self._home = home
        self._lost: list[str] = []
        self._looking = Regularly("comet-redial", LOOK_S, self._look)
        self._looking.start()

    def close(self) -> None:
        """Dial no more."""
        self._looking.close()

    def _look(self) -> None:
        lost = missing(self._ledger.view(), self._home.peers, connected(self._home.rpc_socket))
        dial(self._home.rpc_socket, lost)
        if lost != self._lost:
            log.info("comet.peers_missing", count=len(lost))
        self._lost = lost


def missing(view: View, nodes: Sequence[str], present: Sequence[str]) -> list[str]:
    """
    Which of the nodes (`<node id>@<host:port>`) are active members' and not connected.

    By their members' newest node keys; `present`: 40 hex each.
    """
    return [
        node
        for node in newest_names(view, nodes)
        if (name := node.partition("@")[0]) not in present and validators.may_connect(view, name)
    ]


def dial(socket: Path, nodes: Sequence[str]) -> None:
    """
    Have the own CometBFT dial these now; nothing happens while it starts.

    A node it is connected with, or dials already, it passes over.
    """
    if not nodes:
        return
    call = {"jsonrpc": "2.0", "id": 0, "method": "dial_peers", "params": {"peers": list(nodes)}}
    try:
        with closing(UnixConnection(socket)) as http:
            http.request("POST", "/", msgspec.json.encode(call))
            http.getresponse().read()
    except (OSError, HTTPException):
        return
