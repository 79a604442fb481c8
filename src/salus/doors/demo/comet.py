"""
The demo's four members as validators of a network: each with a CometBFT process of its own.

Nodes and gateways stand in this process, as in the embedded demo; blocks are ordered by four
CometBFT processes that vote, over sockets of this machine. The folder is laid out as
`salus network` lays it out, so a network that the tour ran on can be started as processes.
"""

import socket
from pathlib import Path

from salus.doors.demo.genesis import Founder
from salus.doors.demo.network import CAST, SEGMENT_BYTES, Cast, DemoNetwork
from salus.node.comet.home import CometHome
from salus.node.comet.validators import node_id
from salus.node.node import NodeSettings

COMET = "comet"
"""Folder of the members' CometBFT folders: their nodes' keys must outlive a lost ledger."""


class CometNetwork(DemoNetwork):
    """Started by `start`; needs CometBFT, which the first start builds where there is none."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """`folder`: holds everything; made if new."""
        names = [cast.name for cast in CAST]
        listen = [f"127.0.0.1:{port}" for port in free_ports(len(CAST))]
        self._homes = comet_homes(folder, dict(zip(names, listen, strict=True)))
        super().__init__(folder, segment_bytes=segment_bytes)

    def delete_folder(self, name: str) -> None:
        """Lose everything a stopped member had on its disk, CometBFT's blocks too."""
        super().delete_folder(name)
        self._homes[name].forget_blocks()

    def disks(self, name: str) -> list[Path]:
        """Ledger and gateway, and what CometBFT writes."""
        return [*super().disks(name), self._homes[name].folder]

    def _settings(self, name: str) -> NodeSettings:
        return NodeSettings(
            folder=self.home(name) / "node",
            genesis=self.genesis,
            orderer=b"",
            segment_bytes=self._segment_bytes,
            verify_workers=0,
            comet=self._homes[name],
        )

    def _founder(self, cast: Cast) -> Founder:
        node = self._homes[cast.name].node_key().public
        return Founder(cast.title, self.keys[cast.name], node)


def comet_homes(folder: Path, listen: dict[str, str]) -> dict[str, CometHome]:
    """Each member's CometBFT folder, told the others' addresses; node keys are made if new."""
    root = (folder / COMET).absolute()
    addresses = {
        name: f"{node_id(CometHome(root / name, at).node_key().public)}@{at}"
        for name, at in listen.items()
    }
    return {
        name: CometHome(
            root / name, at, tuple(one for other, one in addresses.items() if other != name)
        )
        for name, at in listen.items()
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
