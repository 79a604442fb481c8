"""A network of four members behind one web door, for the doors' tests; all parts are real."""

import gzip
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient

import salus
from salus.base.signing import SigningKey
from salus.doors.demo.network import DemoNetwork
from salus.doors.http.app import create_app
from salus.doors.http.member import MemberDoor
from salus.machine.module import Message
from salus.machine.transaction import sign

SAMPLES = Path(salus.__file__).parents[2] / "samples" / "fhir" / "synthea-2019"
SEGMENT_BYTES = 8 * 1024 * 1024
LIFETIME_MS = 60_000


class World:
    """The door, and what a test needs to act through it."""

    def __init__(self, network: DemoNetwork, client: TestClient[Litestar]) -> None:
        """`network`: started; `client`: of its door."""
        self.network = network
        self.client = client
        self.north = network["north"]
        self._nonce = -1

    @property
    def key(self) -> SigningKey:
        """North's transaction key."""
        return self.north.keys.transaction

    def envelope(self, *messages: Message, nonce: int | None = None) -> bytes:
        """Signed by North with a nonce above all its gateway used."""
        if nonce is None:
            known: int = self.client.get(f"/v1/keys/{self.key.key_id.hex()}").json()["next_nonce"]
            self._nonce = nonce = max(self._nonce + 1, known)
        until_ms = time.time_ns() // 1_000_000 + LIFETIME_MS
        return sign(self.network_id, self.key, messages, nonce=nonce, until_ms=until_ms)

    def submit(self, envelope: bytes, wait: str = "committed") -> httpx.Response:
        """Hand in."""
        return self.client.post(f"/v1/transactions?wait={wait}", content=envelope)

    def operate(self, method: str, path: str, member: str = "north", **rest: Any) -> httpx.Response:
        """Call an operator route with the member's token."""
        return self.client.request(
            method, f"/{member}/gateway/v1{path}", headers=self.token(member), **rest
        )

    def token(self, member: str) -> Mapping[str, str]:
        """The header that opens a member's operator routes."""
        return {"Authorization": f"Bearer {self.network.token(member)}"}

    @property
    def network_id(self) -> bytes:
        """The network's id."""
        return self.north.node.ledger.network


def open_world(folder: Path) -> Iterator[World]:
    """Start a network and its door, and stop them."""
    network = DemoNetwork(folder, segment_bytes=SEGMENT_BYTES)
    network.start()
    doors = [
        MemberDoor(one.cast.name, one.node, one.gateway, network.token(one.cast.name))
        for one in network
    ]
    try:
        with TestClient(create_app(doors)) as client:
            yield World(network, client)
    finally:
        network.close()


def sample_bundle() -> tuple[str, bytes]:
    """The smallest sample bundle, packed: (name, bytes)."""
    path = min(SAMPLES.glob("*.json.gz"), key=lambda one: one.stat().st_size)
    return path.name, path.read_bytes()


def unpacked(bundle: tuple[str, bytes]) -> bytes:
    """The bundle's bytes as the sender wrote them."""
    return gzip.decompress(bundle[1])
