"""
A network of real nodes on this machine: each its own ledger, App and CometBFT process.

    with LocalNetwork(folder, count=4) as network:
        done = network.submit(0, term(1))           by member 0, at node 0
        network.wait_level(done.height)             until all that run have that block
"""

import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from salus.chain import machine
from salus.machine.module import Message
from salus.node.comet import program
from salus.node.comet.home import CometHome
from salus.node.comet.validators import node_id
from salus.node.cometbft import CometEngine
from salus.node.ledger import Ledger
from salus.node.mempool import Done
from salus.node.verify_pool import VerifyPool
from tests.conformance.abci.chain import NetworkChain

SEGMENT_BYTES = 1024 * 1024
LIFETIME_MS = 600_000


class LocalNode:
    """One member's node; started by its constructor."""

    def __init__(self, network: "LocalNetwork", number: int) -> None:
        self.folder = network.folder / f"node{number}"
        self.pool = VerifyPool(network.chain.network, workers=0)
        self.faults: list[BaseException] = []
        self.ledger = Ledger.open(
            self.folder / "ledger", machine(), network.chain.genesis, segment_bytes=SEGMENT_BYTES
        )
        self.engine = CometEngine(
            self.ledger,
            network.homes[number],
            quarantine=self.folder / "quarantine",
            pool=self.pool,
            comet_program=network.program,
            fail=self.faults.append,
        )

    def close(self) -> None:
        self.engine.close()
        self.pool.close()
        self.ledger.close()


class LocalNetwork(AbstractContextManager["LocalNetwork"]):
    """Started by entering it; what is stopped keeps its folder."""

    def __init__(self, folder: Path, count: int = 4, *, waits: bool = True) -> None:
        """`waits`: until each node keeps up, which one without a line never does."""
        self.folder = folder
        self.waits = waits
        self.program = program.find_or_build()
        self.chain = NetworkChain(count, time.time_ns() // 1_000_000)
        self.homes = self._homes(free_ports(count))
        self.nodes: dict[int, LocalNode] = {}

    def __enter__(self) -> Self:
        for number in range(len(self.homes)):
            self.start(number)
        if self.waits:
            self._wait_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in list(self.nodes):
            self.stop(number)

    def start(self, number: int) -> LocalNode:
        self.nodes[number] = LocalNode(self, number)
        return self.nodes[number]

    def stop(self, number: int) -> None:
        self.nodes.pop(number).close()

    def sign(self, member: int, *messages: Message) -> bytes:
        until_ms = time.time_ns() // 1_000_000 + LIFETIME_MS
        return self.chain.sign(member, *messages, until_ms=until_ms)

    def submit(self, member: int, *messages: Message, at: int | None = None) -> Done:
        node = self.nodes[member if at is None else at]
        return node.engine.submit_and_wait(self.sign(member, *messages), 30.0)

    def wait_level(self, height: int, timeout_s: float = 30.0) -> None:
        for number, node in self.nodes.items():
            found = node.ledger.wait_above(height - 1, timeout_s).height
            assert found >= height, f"node {number} is at height {found}, expected {height}"

    def app_hashes(self, height: int) -> set[bytes]:
        return {node.ledger.record(height).app for node in self.nodes.values()}

    def _wait_ready(self, timeout_s: float = 30.0) -> None:
        """A CometBFT that still looks for blocks lets transactions of others fall."""
        end_s = time.monotonic() + timeout_s
        while why := [no for node in self.nodes.values() if (no := node.engine.unready())]:
            assert time.monotonic() < end_s, why
            time.sleep(0.1)

    def _homes(self, ports: list[int]) -> list[CometHome]:
        addresses = [
            f"{node_id(member.node.public)}@127.0.0.1:{port}"
            for member, port in zip(self.chain.members, ports, strict=True)
        ]
        homes = []
        for number, (member, port) in enumerate(zip(self.chain.members, ports, strict=True)):
            others = tuple(one for at, one in enumerate(addresses) if at != number)
            home = CometHome(self.folder / f"node{number}" / "comet", f"127.0.0.1:{port}", others)
            home.put_key(member.node)
            homes.append(home)
        return homes


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
