"""
What a lying proposer puts into a block, by kind, made from what it should have proposed.

`REJECTED`: an honest member votes the proposal down, whatever the state says. `TAKEN`: lawful as a
block; each transaction that breaks a rule gets its number and changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from salus.base import codec
from salus.base.envelope import Envelope
from salus.base.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_MESSAGES_MAX,
    BLOCK_TRANSACTIONS_MAX,
    MESSAGES_MAX,
)
from salus.base.signing import SigningKey
from salus.machine.module import Message
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm

LIFETIME_MS = 600_000

FIRST_TERM = 60_000
"""Numbers that nobody else defines."""


@dataclass(frozen=True)
class Author:
    """The liar's pen: a transaction key that the ledger knows."""

    network: bytes
    key: SigningKey
    now_ms: int
    """Of the newest block."""

    nonce: int
    """The first one that is not spent."""

    def sign(
        self,
        *messages: Message,
        ahead: int = 0,
        life_ms: int = LIFETIME_MS,
        network: bytes | None = None,
    ) -> bytes:
        """An envelope with the nonce `ahead` of the first."""
        return sign(
            network or self.network,
            self.key,
            messages,
            nonce=self.nonce + ahead,
            until_ms=self.now_ms + life_ms,
        )


Lie = Callable[[Author, Sequence[bytes]], list[bytes]]
"""(author, what an honest proposer would propose) -> what is proposed."""


def term(number: int, text: str = "X") -> DefineTerm:
    """A small lawful message."""
    return DefineTerm(kind=1, number=FIRST_TERM + number, text=text)


def rubbish(_author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """No envelope."""
    return [*honest, b"\x00rubbish"]


def byte_more(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """A byte behind the envelope."""
    return [*honest, author.sign(term(0)) + b"\x00"]


def long_header(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """The same map under MessagePack's longer header: another encoding of one transaction."""
    envelope = author.sign(term(0))
    return [*honest, b"\xde\x00" + bytes([envelope[0] & 0x0F]) + envelope[1:]]


def long_body(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """A body whose map has the longer header, rightly signed as it stands."""
    parts = codec.decode(author.sign(term(0)), Envelope)
    body = b"\xde\x00" + bytes([parts.body[0] & 0x0F]) + parts.body[1:]
    signature = author.key.sign(b"salus/1/tx\x00" + author.network + author.key.public + body)
    return [*honest, codec.encode(Envelope(body=body, key=parts.key, sig=signature))]


def forged(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """A signature that does not hold."""
    parts = codec.decode(author.sign(term(0)), Envelope)
    sig = parts.sig[:-1] + bytes([parts.sig[-1] ^ 1])
    return [*honest, codec.encode(Envelope(body=parts.body, key=parts.key, sig=sig))]


def other_network(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """Signed for another network."""
    return [*honest, author.sign(term(0), network=bytes(32))]


def too_many(author: Author, _honest: Sequence[bytes]) -> list[bytes]:
    """One transaction more than a block may hold."""
    return [author.sign(term(0))] * (BLOCK_TRANSACTIONS_MAX + 1)


def too_large(author: Author, _honest: Sequence[bytes]) -> list[bytes]:
    """Lawful transactions, together a little over our limit, and below CometBFT's own."""
    messages = _messages("X" * 64)
    full_bytes = len(author.sign(*messages))
    txs = _full(author, messages, BLOCK_BYTES_MAX // full_bytes)
    missing_bytes = BLOCK_BYTES_MAX - sum(map(len, txs))
    last = messages[: missing_bytes * MESSAGES_MAX // full_bytes + 1]
    return [*txs, author.sign(*last, ahead=len(txs))]


def too_many_messages(author: Author, _honest: Sequence[bytes]) -> list[bytes]:
    """Lawful transactions, together of one message more than a block may hold."""
    txs = _full(author, _messages("X"), BLOCK_MESSAGES_MAX // MESSAGES_MAX)
    return [*txs, author.sign(term(0), ahead=len(txs))]


def nothing(_author: Author, _honest: Sequence[bytes]) -> list[bytes]:
    """All transactions kept back, as if their handlers raised."""
    return []


def half(_author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """Every second one kept back."""
    return list(honest[::2])


def twice(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """Everything twice, its own too."""
    own = author.sign(term(1))
    return [*honest, own, *honest, own]


def backwards(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """Against the order of the nonces; the window takes them all."""
    own = [author.sign(term(2 + ahead), ahead=ahead) for ahead in range(3)]
    return [*reversed(honest), *reversed(own)]


def expired(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """One whose time is over."""
    return [author.sign(term(5), life_ms=-1_000), *honest]


def immortal(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """One that would live for a year."""
    return [author.sign(term(6), life_ms=365 * 24 * 3_600_000), *honest]


def far_ahead(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """A nonce beyond what a key may skip."""
    return [author.sign(term(7), ahead=65_536), *honest]


def stranger(author: Author, honest: Sequence[bytes]) -> list[bytes]:
    """Signed by a key the ledger does not know."""
    unknown = Author(author.network, SigningKey(bytes([9]) * 32), author.now_ms, 0)
    return [unknown.sign(term(8)), *honest]


REJECTED: dict[str, Lie] = {
    one.__name__: one
    for one in (
        rubbish, byte_more, long_header, long_body, forged, other_network, too_many, too_large,
        too_many_messages,
    )
}  # fmt: skip

TAKEN: dict[str, Lie] = {
    one.__name__: one
    for one in (nothing, half, twice, backwards, expired, immortal, far_ahead, stranger)
}


def _full(author: Author, messages: Sequence[Message], count: int) -> list[bytes]:
    """So many transactions of these messages, each with the next nonce."""
    return [author.sign(*messages, ahead=ahead) for ahead in range(count)]


@lru_cache(2)
def _messages(text: str) -> tuple[Message, ...]:
    """As many as a transaction may hold."""
    return tuple(term(number, text) for number in range(MESSAGES_MAX))
