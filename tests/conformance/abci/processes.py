"""Four nodes, each a process of its own: what `node_process` is started and asked by."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from salus.machine.module import Message
from salus.node.comet.home import CometHome
from salus.node.comet.validators import node_id
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.local_network import LIFETIME_MS, free_ports


class NodeProcess:
    """One node's process and its lines."""

    def __init__(self, words: list[str | Path], errors: Path) -> None:
        with errors.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.conformance.abci.node_process", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )

    def ask(self, *words: str, lines: int = 1) -> list[list[str]]:
        self.tell(*words)
        return self.read(lines)

    def tell(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def read(self, lines: int = 1) -> list[list[str]]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline().split() for _ in range(lines)]

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, no child is told."""
        self.process.kill()
        self._end()

    def close(self) -> None:
        """End of input: it stops by itself."""
        self._end()

    def _end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class ProcessNetwork:
    """Members 0 … count − 1, each a process; entered to start all."""

    def __init__(self, folder: Path, count: int = 4, workers: int = 0) -> None:
        self.folder = folder
        self.workers = workers
        self.chain = NetworkChain(count, time.time_ns() // 1_000_000)
        self.genesis = folder / "genesis.json"
        self.genesis.write_bytes(self.chain.genesis)
        self.listen = [f"127.0.0.1:{port}" for port in free_ports(count)]
        for number, member in enumerate(self.chain.members):
            home = CometHome(folder / f"node{number}" / "comet", self.listen[number])
            home.put_key(member.node)
        self.nodes: dict[int, NodeProcess] = {}

    def __enter__(self) -> Self:
        for number in range(len(self.listen)):
            self.start(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in self.nodes.values():
            node.close()

    def start(self, number: int) -> NodeProcess:
        peers = [
            f"{node_id(member.node.public)}@{self.listen[at]}"
            for at, member in enumerate(self.chain.members)
            if at != number
        ]
        folder = self.folder / f"node{number}"
        words: list[str | Path] = [
            self.genesis, folder, self.listen[number], ",".join(peers), str(self.workers),
        ]  # fmt: skip
        self.nodes[number] = NodeProcess(words, self.folder / f"node{number}.err")
        return self.nodes[number]

    def kill(self, number: int) -> None:
        self.nodes.pop(number).kill()

    def sign(self, member: int, *messages: Message) -> str:
        until_ms = time.time_ns() // 1_000_000 + LIFETIME_MS
        return self.chain.sign(member, *messages, until_ms=until_ms).hex()

    def wait_level(self, height: int, timeout_s: float = 30.0) -> None:
        end_s = time.monotonic() + timeout_s
        for number, node in self.nodes.items():
            while int(node.ask("tip")[0][1]) < height:
                assert time.monotonic() < end_s, f"node {number} does not reach {height}"
                time.sleep(0.1)
