"""
The arms' networks: one application on so many validators of this machine, each its own processes.

    with started_salus(folder, 4) as network:
        network.sockets, network.pids
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.abci_cli import abci_cli, cometbft
from bench.consensus_homes import Site, lay_out
from bench.consensus_load import LOOK_S, Blocks
from bench.network import KEYS_A_MEMBER
from bench.spent import disk_bytes
from salus.node.comet.process import CometProcess

START_S = 120.0
STOP_S = 60.0

NODE, COMETBFT = "node", "CometBFT"
"""Kinds of processes: an application's, and CometBFT's beside it."""


@dataclass(kw_only=True)
class Running:
    """A network that runs."""

    site: Site
    pids: dict[str, list[int]]
    """Kind -> process ids."""

    nodes: dict[int, "NodeProcess"] = field(default_factory=dict)
    """Of Salus, those that run, by member; empty in other arms."""

    @property
    def members(self) -> list[int]:
        """Whose node runs."""
        return list(self.nodes) or list(self.site.members)

    @property
    def sockets(self) -> list[Path]:
        """The RPC of each node that runs."""
        return [self.site.home(member).rpc_socket for member in self.members]

    def kill(self, member: int) -> None:
        """End a node and its CometBFT at once."""
        self.nodes.pop(member).kill()

    def start(self, member: int) -> None:
        """Start a node again, on its folder as it was left."""
        node = NodeProcess(self.site, member, "on")
        self.nodes[member] = node
        node.begin()

    def check(self, sent: int) -> None:
        """All that was sent is done at every node that runs, and their app hashes are equal."""
        nodes = list(self.nodes.values())
        _wait_until(lambda: len({node.tip() for node in nodes}) <= 1, "one height and app hash")
        counts = {node.count()[:2] for node in nodes}
        assert counts <= {(sent, 0)}, f"expected {sent} done and none refused, found {counts}"

    def comet_bytes(self) -> float:
        """What CometBFT keeps on disk, B a node."""
        folders = [self.site.comet(member) / "data" for member in self.site.members]
        return sum(map(disk_bytes, folders)) / len(folders)


class NodeProcess:
    """One `bench.member`, and the lines it is asked by."""

    def __init__(self, site: Site, member: int, signatures: str) -> None:
        """Start it; `begin` waits until it is open."""
        self._log = (site.folder / f"n{member}.log").open("ab")
        words: Sequence[str | Path] = (
            site.genesis, site.node(member), site.listen[member], ",".join(site.peers(member)),
            signatures,
        )  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.member", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def begin(self) -> int:
        """Wait until it is open; its CometBFT's process id."""
        return int(self.read("open")[0])

    def ask(self, *words: object) -> list[str]:
        """One line there, one back."""
        self.tell(*words)
        return self.read(str(words[0]))

    def tell(self, *words: object) -> None:
        """One line there."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def read(self, expected: str) -> list[str]:
        """One line back: an answer to `expected`."""
        assert self.process.stdout is not None
        kind, *words = self.process.stdout.readline().split() or ["nothing"]
        assert expected == kind, f"expected {expected}, found {kind}: {self._log.name}"
        return words

    def tip(self) -> tuple[str, ...]:
        """Height and app hash."""
        return tuple(self.ask("tip"))

    def count(self) -> tuple[int, int, int]:
        """Transactions in its blocks, refused ones among them, bytes of its journal."""
        transactions, refused, journal_bytes = map(int, self.ask("count"))
        return transactions, refused, journal_bytes

    def kill(self) -> None:
        """SIGKILL; its CometBFT ends as its socket breaks."""
        self.process.kill()
        self._end()

    def close(self) -> None:
        """End of input: it stops by itself."""
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.close()
        self._end()

    def _end(self) -> None:
        assert self.process.stdout is not None
        self.process.wait(STOP_S)
        self.process.stdout.close()
        self._log.close()


@contextmanager
def started_salus(
    folder: Path, members: int, *, signatures: bool = True, keys_a_member: int = KEYS_A_MEMBER
) -> Iterator[Running]:
    """Salus on so many validators."""
    cometbft()
    site = lay_out(folder, members, keys_a_member)
    with ExitStack() as opened:
        nodes = {one: NodeProcess(site, one, "on" if signatures else "off") for one in site.members}
        opened.callback(_close, nodes)
        comets = [node.begin() for node in nodes.values()]
        pids = {NODE: [node.process.pid for node in nodes.values()], COMETBFT: comets}
        running = Running(site=site, pids=pids, nodes=nodes)
        _wait_for_blocks(running)
        yield running


@contextmanager
def started_kvstore(folder: Path, members: int, *, over_socket: bool) -> Iterator[Running]:
    """CometBFT's key-value application, in its process or in one of its own behind a socket."""
    program = cometbft()
    site = lay_out(folder, members, keys_a_member=1)
    with ExitStack() as opened:
        applications = []
        if over_socket:
            applications = [opened.enter_context(_application(site, one)) for one in site.members]
        homes = [
            site.peer_home(
                one, f"unix://{site.home(one).abci_socket}" if over_socket else "kvstore"
            )
            for one in site.members
        ]
        site.write(*homes)
        comets = [CometProcess(program, home, lambda: None) for home in homes]
        for comet in comets:
            opened.callback(comet.close)
        pids = {
            NODE: [one.pid for one in applications],
            COMETBFT: [one.pid for one in comets],
        }
        running = Running(site=site, pids=pids)
        _wait_for_blocks(running)
        yield running


@contextmanager
def _application(site: Site, member: int) -> Iterator["subprocess.Popen[bytes]"]:
    socket = site.home(member).abci_socket
    socket.parent.mkdir(parents=True, exist_ok=True)
    words: list[Any] = [
        abci_cli(), "kvstore", "--address", f"unix://{socket}", "--persist", site.node(member),
    ]  # fmt: skip
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as application:
        try:
            _wait_until(socket.exists, "the application's socket")
            yield application
        finally:
            application.terminate()


def _close(nodes: Mapping[int, NodeProcess]) -> None:
    for node in nodes.values():
        node.close()


def _wait_for_blocks(running: Running) -> None:
    for socket in running.sockets:
        with closing(Blocks(socket)) as blocks:
            _wait_until(lambda blocks=blocks: blocks.has_begun(), "the first block")  # type: ignore[misc]  # binds the name


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end_s, f"expected {what} within {START_S} s"
        time.sleep(LOOK_S)
