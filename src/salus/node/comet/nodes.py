"""
The other members' nodes that this one connects to: `<node id>@<host:port>`, one a line.

Written when a member joins, beside the settings' own list. Where a node listens stands in no row of
the ledger; who it is does, so an address is brought up to its member's newest node key.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from salus.base.errors import Category, Problem
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import NODE
from salus.node.comet import validators
from salus.node.small_file import write_whole

FILE = "nodes"
"""In the CometBFT folder."""

HOST_PORT = r"[a-z0-9.\-]+:[0-9]{1,5}\Z"

NodeAddress = Annotated[str, msgspec.Meta(pattern=rf"^[0-9a-f]{{40}}@{HOST_PORT}")]
"""A node among its peers: its key's address (20 B in hex), host and port."""

NODES_MAX = 64
"""As many members a network ever has."""


def read_nodes(folder: Path) -> tuple[str, ...]:
    """The nodes noted in a CometBFT folder; raises Problem NodesMalformed."""
    path = folder / FILE
    if not path.exists():
        return ()
    return tuple(check_nodes(path.read_text().splitlines()))


def write_nodes(folder: Path, nodes: Sequence[str]) -> None:
    """Note them; the folder is made if it is new."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder / FILE, "".join(f"{one}\n" for one in check_nodes(nodes)).encode())


def check_nodes(nodes: Sequence[str]) -> Sequence[str]:
    """The same, if all are addresses; raises Problem NodesMalformed."""
    try:
        return msgspec.convert(list(nodes)[: NODES_MAX + 1], _NODES)
    except msgspec.ValidationError:
        raise Problem(
            Category.MALFORMED,
            "NodesMalformed",
            f"expected at most {NODES_MAX} nodes as <40 hex digits>@<host>:<port>, one a line: "
            "write them anew by `salus network join`",
        ) from None


def newest_names(view: View, nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes by their members' newest node keys; one of an unknown key stays as it is."""
    owners = validators.owners(view)
    return tuple(_newest_name(view, owners, one) for one in nodes)


def _newest_name(view: View, owners: dict[bytes, bytes], node: str) -> str:
    name, _, place = node.partition("@")
    member = owners.get(bytes.fromhex(name))
    row = None if member is None else members.key(view, member, NODE)
    return node if row is None else f"{validators.node_id(row.key)}@{place}"


_NODES = Annotated[list[NodeAddress], msgspec.Meta(max_length=NODES_MAX)]
