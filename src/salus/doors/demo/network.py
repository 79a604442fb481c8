"""
Four members in one process, as four machines would stand: nothing is shared.

Each has its own folder, keys, vault, witness and gateway. They reach one another only by signed
requests to a member's door; no object of one member is known to another. Keys lie apart from
the members' folders, as on a card or another disk.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from salus.doors.demo.genesis import Founder, demo_issuers, genesis_file
from salus.gateway.gateway import Gateway
from salus.node.keys import MemberKeys, make_demo_keys
from salus.node.node import Node, NodeSettings
from salus.node.peers import Transport, peer_down
from salus.node.ports import Clock, RealClock
from salus.node.signed_request import Request

SEGMENT_BYTES = 8 * 1024 * 1024
"""A demo's journal files: eight times smaller than a real node's."""


@dataclass(frozen=True)
class Cast:
    """A member of the demo."""

    name: str
    title: str


CAST = (
    Cast("north", "North Hospital"),
    Cast("south", "South Hospital"),
    Cast("lab", "Harbour Laboratory"),
    Cast("insurer", "Coast Insurance"),
)
"""The first one's engine orders the blocks."""

GENESIS = "genesis.json"


@dataclass
class Member:
    """One member while it runs."""

    cast: Cast
    keys: MemberKeys
    node: Node
    gateway: Gateway

    @property
    def id(self) -> bytes:
        """The member's id on the ledger."""
        return self.keys.member


class DemoNetwork:
    """Started by `start`; members can be stopped, lose their folder, and come back."""

    def __init__(
        self, folder: Path, *, clock: Clock | None = None, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """`folder`: holds everything; made if new. `clock`, `segment_bytes`: for tests."""
        self.folder = folder
        self.clock = clock or RealClock()
        self._segment_bytes = segment_bytes
        self.keys = {cast.name: make_demo_keys(folder / "keys" / cast.name) for cast in CAST}
        self.genesis = self._genesis()
        self._running: dict[str, Member] = {}

    def __getitem__(self, name: str) -> Member:
        """A running member by name."""
        return self._running[name]

    def __iter__(self) -> Iterator[Member]:
        """The running members, in the cast's order."""
        return (self._running[cast.name] for cast in CAST if cast.name in self._running)

    def start(self) -> None:
        """Start everybody who does not run; the ordering member first."""
        for cast in CAST:
            if cast.name not in self._running:
                self.start_member(cast.name)

    def start_member(self, name: str) -> Member:
        """Start one member on its own folder."""
        cast = next(one for one in CAST if one.name == name)
        keys = self.keys[name]
        node = Node(self._settings(name), keys, self._transports(name), self.clock)
        gateway = Gateway(self.home(name) / "gateway", node)
        for person in demo_issuers(keys.house):
            gateway.staff.keep_issuer(person)
        member = Member(cast, keys, node, gateway)
        self._running[name] = member
        return member

    def stop_member(self, name: str) -> None:
        """Stop one member; its folder stays."""
        member = self._running.pop(name)
        member.gateway.close()
        member.node.close()

    def delete_folder(self, name: str) -> None:
        """Lose everything a stopped member had on its disk, its keys apart."""
        shutil.rmtree(self.home(name))

    def close(self) -> None:
        """Stop everybody, the ordering member last: the others still finish what they began."""
        orderer = CAST[0].name
        others = [name for name in self._running if name != orderer]
        # At once: each waits up to two seconds for its last question to be answered.
        with ThreadPoolExecutor(len(CAST)) as threads:
            for _ in threads.map(self.stop_member, others):
                pass
        if orderer in self._running:
            self.stop_member(orderer)

    def home(self, name: str) -> Path:
        """A member's own folder."""
        return self.folder / name

    def disks(self, name: str) -> list[Path]:
        """All folders a member's processes write to, its keys apart."""
        return [self.home(name)]

    def token(self, name: str) -> str:
        """The member's operator token, made once, mode 0600."""
        return operator_token(self.folder / "keys" / name / "operator.token")

    def _transports(self, name: str) -> Mapping[bytes, Transport]:
        return {
            self.keys[cast.name].member: self._transport(cast.name)
            for cast in CAST
            if cast.name != name
        }

    def _transport(self, name: str) -> Transport:
        """Signed requests to a member's door, if it runs at that moment."""

        def carry(request: Request) -> bytes:
            member = self._running.get(name)
            if member is None:
                raise peer_down(f"{name} does not answer")
            try:
                return member.node.answer(request)
            except Exception:
                # A machine that is switched off drops the calls it has not answered.
                if self._running.get(name) is member:
                    raise
                raise peer_down(f"{name} was stopped before it answered") from None

        return carry

    def _settings(self, name: str) -> NodeSettings:
        return NodeSettings(
            folder=self.home(name) / "node",
            genesis=self.genesis,
            orderer=self.keys[CAST[0].name].member,
            segment_bytes=self._segment_bytes,
            verify_workers=1 if name == CAST[0].name else 0,
        )

    def _founder(self, cast: Cast) -> Founder:
        return Founder(cast.title, self.keys[cast.name])

    def _genesis(self) -> bytes:
        return genesis_file(
            self.folder / GENESIS, [self._founder(cast) for cast in CAST], self.clock.now_ms()
        )


def operator_token(path: Path) -> str:
    """A member's operator token, made once, mode 0600."""
    if not path.exists():
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(os.urandom(24).hex())
    return path.read_text()
