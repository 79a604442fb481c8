"""
Folders of validators on this machine, all with one configuration, whatever application they run.

The configuration is the one Salus writes for its own CometBFT; only the application's address
differs between the arms.
"""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.network import Network, new_validators, node_key, open_ledger
from bench.quiet import prepare
from bench.runs import in_process
from salus.node.comet.home import CometHome
from salus.node.comet.validators import node_id

SEGMENT_BYTES = 8 * 1024 * 1024
"""Of the journal's files, as `salus network` writes it for members of one machine."""


@dataclass(frozen=True)
class PeerHome(CometHome):
    """CometBFT's folder for an application that is not ours."""

    application: str = ""
    """CometBFT's `proxy_app`: the name of a built-in application, or an address."""

    def _values(self, peers: Sequence[str]) -> dict[str, dict[str, object]]:
        values = super()._values(peers)
        values[""]["proxy_app"] = self.application
        return values


@dataclass(frozen=True)
class Site:
    """A folder for so many members, their genesis file and their nodes' addresses."""

    folder: Path
    network: Network
    listen: tuple[str, ...]

    @property
    def members(self) -> range:
        """Numbers of the members."""
        return range(len(self.listen))

    @property
    def genesis(self) -> Path:
        """The genesis file."""
        return self.folder / "genesis.json"

    def node(self, member: int) -> Path:
        """All that one member has."""
        return self.folder / f"n{member}"

    def comet(self, member: int) -> Path:
        """Its CometBFT's folder."""
        return self.node(member) / "comet"

    def peers(self, member: int) -> tuple[str, ...]:
        """The other nodes' addresses."""
        return tuple(
            f"{node_id(node_key(other).public)}@{self.listen[other]}"
            for other in self.members
            if other != member
        )

    def home(self, member: int) -> CometHome:
        """CometBFT's folder for Salus."""
        return CometHome(self.comet(member), self.listen[member], self.peers(member))

    def peer_home(self, member: int, application: str) -> PeerHome:
        """CometBFT's folder for another application."""
        return PeerHome(
            self.comet(member), self.listen[member], self.peers(member), application=application
        )

    def write(self, *homes: CometHome) -> None:
        """Write settings and CometBFT's genesis file where no node of ours does."""
        in_process(_write, self.folder / "first", self.network.genesis, homes)


def lay_out(folder: Path, members: int, keys_a_member: int) -> Site:
    """Make the folder, the genesis file and the nodes' keys."""
    folder.mkdir()
    site = Site(folder, new_validators(members, keys_a_member), _addresses(members))
    site.genesis.write_bytes(site.network.genesis)
    for member in site.members:
        site.home(member).put_key(node_key(member))
    return site


def _write(folder: Path, genesis: bytes, homes: Sequence[CometHome]) -> None:
    prepare()
    ledger = open_ledger(folder, Network.of(genesis), SEGMENT_BYTES)
    try:
        for home in homes:
            home.write(ledger)
    finally:
        ledger.close()


def _addresses(count: int) -> tuple[str, ...]:
    """Ports of the loopback that nobody listens at just now."""
    with ExitStack() as opened:
        sockets = [
            opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
