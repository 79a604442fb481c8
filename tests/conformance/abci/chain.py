"""A genesis file in network mode, its members, and envelopes they sign."""

from salus.base.signing import SigningKey
from salus.machine.genesis import FORMAT, Genesis, network_id, write_genesis
from salus.machine.module import Message
from salus.machine.transaction import sign
from tests.support.machine import GENESIS_MS, LIFETIME_MS, Actor

POWER = 10
"""Of each validator."""


class NetworkChain:
    """Members 0 … count − 1, all validators of equal power; nonces are counted here."""

    def __init__(self, count: int = 4, time_ms: int = GENESIS_MS) -> None:
        self.members = [Actor(number) for number in range(count)]
        self.genesis = write_genesis(
            Genesis(
                format=FORMAT,
                name="local",
                time_ms=time_ms,
                mode="network",
                version=1,
                members=[one.genesis(POWER) for one in self.members],
                parameters={},
                modules={},
            )
        )
        self.network = network_id(self.genesis)
        self.time_ms = time_ms
        self._nonces = dict.fromkeys(range(count), 0)

    def sign(
        self,
        member: int,
        *messages: Message,
        nonce: int | None = None,
        until_ms: int | None = None,
        network: bytes | None = None,
        key: SigningKey | None = None,
    ) -> bytes:
        if nonce is None:
            nonce = self._nonces[member]
            self._nonces[member] += 1
        return sign(
            network or self.network,
            key or self.members[member].transaction,
            messages,
            nonce=nonce,
            until_ms=self.time_ms + LIFETIME_MS if until_ms is None else until_ms,
        )
