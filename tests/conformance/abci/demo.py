"""The demo's four members, ordered by CometBFT instead of the first one's engine."""

from pathlib import Path

from salus.doors.demo.network import CAST, Cast, DemoNetwork, Member, demo_issuers
from salus.gateway.gateway import Gateway
from salus.machine.genesis import Genesis
from salus.node.comet.home import CometHome
from salus.node.comet.validators import node_id
from salus.node.node import Node, NodeSettings
from tests.conformance.abci.chain import POWER
from tests.conformance.abci.local_network import free_ports

SEGMENT_BYTES = 1024 * 1024
NODE = 6


class CometDemo(DemoNetwork):
    """Each member its own validator; a member's CometBFT lies outside the folder it may lose."""

    def __init__(self, folder: Path) -> None:
        listen = [f"127.0.0.1:{port}" for port in free_ports(len(CAST))]
        homes = [
            CometHome(folder / "comet" / cast.name, at)
            for cast, at in zip(CAST, listen, strict=True)
        ]
        peers = [f"{node_id(home.node_key().public)}@{home.listen}" for home in homes]
        self.homes = {
            cast.name: CometHome(home.folder, home.listen, tuple(set(peers) - {own}))
            for cast, home, own in zip(CAST, homes, peers, strict=True)
        }
        super().__init__(folder, segment_bytes=SEGMENT_BYTES)

    def start_member(self, name: str) -> Member:
        """As the demo starts one, with CometBFT."""
        cast = next(one for one in CAST if one.name == name)
        keys = self.keys[name]
        settings = NodeSettings(
            folder=self.home(name) / "node",
            genesis=self.genesis,
            orderer=b"",
            segment_bytes=SEGMENT_BYTES,
            verify_workers=0,
            comet=self.homes[name],
        )
        node = Node(settings, keys, self._transports(name), self.clock)
        gateway = Gateway(self.home(name) / "gateway", node)
        for person in demo_issuers(keys.house):
            gateway.staff.keep_issuer(person)
        self._running[name] = Member(cast, keys, node, gateway)
        return self._running[name]

    def _first_state(self) -> Genesis:
        plain = super()._first_state()
        return Genesis(
            format=plain.format,
            name=plain.name,
            time_ms=plain.time_ms,
            mode="network",
            version=plain.version,
            members=plain.members,
            parameters=plain.parameters,
            modules=plain.modules,
        )

    def _first_member(self, cast: Cast) -> dict[str, object]:
        member = super()._first_member(cast)
        node = {"use": NODE, "key": self.homes[cast.name].node_key().public.hex()}
        keys = member["keys"]
        assert isinstance(keys, list)
        return {**member, "keys": [*keys, node], "power": POWER}
