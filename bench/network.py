"""
The network that is measured: members with keys, and a ledger loaded with rows.

One ledger has eight members with 32 keys each, so 256 keys write at once, each with nonces of its
own, as so many doors and feeds would; a network of validators has as many members as are asked for.
Rows are filled in by real blocks, so that journal, log, index and state are what a running node
has.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.rows.messages import Put, PutRows
from bench.rows.module import add_to_chain
from salus import chain
from salus.base.hashing import sha256
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey
from salus.machine.block import Block
from salus.machine.genesis import FORMAT, Genesis, network_id, read_genesis, write_genesis
from salus.machine.transaction import sign
from salus.modules.members.state import TRANSACTION
from salus.node.journal import SEGMENT_BYTES
from salus.node.keys import MemberKeys
from salus.node.ledger import Ledger
from salus.node.ports import RealClock

MEMBERS = 8
KEYS_A_MEMBER = 32

POWER = 10
"""Of each validator."""

FILL_ROWS_A_MESSAGE = 500
FILL_ROWS_A_TRANSACTION = 4_000
FILL_TRANSACTIONS = 5
"""A block of the filling: 20,000 rows under five signatures, 1.2 MB."""

VALUE_BYTES = 9
"""Of each row: with three rows a transaction has 300 B."""

LIFETIME_MS = 3_600_000


@dataclass(frozen=True)
class Network:
    """Keys and genesis, the same in every process of a run."""

    keys: Sequence[SigningKey]
    genesis: bytes

    @classmethod
    def of(cls, genesis: bytes) -> Self:
        """The network of that genesis file, in another process."""
        uses = [key["use"] for member in read_genesis(genesis).members for key in member["keys"]]
        return cls(_keys(uses.count(TRANSACTION)), genesis)

    @property
    def id(self) -> bytes:
        """The network id; 32 B."""
        return network_id(self.genesis)


def new_network() -> Network:
    """One ledger's network; its keys come from fixed seeds."""
    return _network("embedded", MEMBERS, KEYS_A_MEMBER)


def new_validators(members: int, keys_a_member: int = KEYS_A_MEMBER) -> Network:
    """Members whose nodes vote with equal power; their keys stand one member after another."""
    return _network("network", members, keys_a_member)


def node_key(member: int) -> SigningKey:
    """The key by which a member's node votes."""
    return SigningKey(_seed("node", member))


def open_ledger(folder: Path, of: Network, segment_bytes: int = SEGMENT_BYTES) -> Ledger:
    """Open or make the ledger in a folder, with the rows module in its machine."""
    add_to_chain()
    return Ledger.open(folder, chain.machine(), of.genesis, segment_bytes=segment_bytes)


def fill(ledger: Ledger, of: Network, rows: int) -> None:
    """Bring a new ledger to so many rows; nonces 0, 1, 2 … of the first keys are then spent."""
    for txs in _filling(of, rows):
        add_block(ledger, txs)


def add_block(ledger: Ledger, txs: Sequence[bytes]) -> None:
    """Execute and commit one block of envelopes that are known to hold."""
    tip = ledger.tip
    block = Block(
        evidence=[], height=tip.height + 1, time_ms=max(tip.time_ms, now_ms()), txs=list(txs)
    )
    executed = ledger.execute(block, signatures=[True] * len(txs))
    assert {0} == {receipt.code for receipt in executed.outcome.receipts}
    ledger.commit(executed)


def now_ms() -> int:
    """The wall clock; block times and expiries follow it."""
    return RealClock().now_ms()


def first_member() -> MemberKeys:
    """All secrets of the member whose node is measured over HTTP."""
    return MemberKeys(
        transaction=SigningKey(_seed("transaction", 0)),
        sealing=SealingKey(_seed("sealing", 0)),
        service=SigningKey(_seed("service", 0)),
        log=SigningKey(_seed("log", 0)),
        retention=_seed("retention", 0),
        house=_seed("house", 0),
        storage=_seed("storage", 0),
    )


def row_key(number: int) -> bytes:
    """Key of the row that was written as number so many; 16 B."""
    return sha256(b"bench row", number.to_bytes(8, "big"))[:16]


def random_row(draw: random.Random, number: int) -> Put:
    """The row of that number with a value of its own."""
    return Put(key=row_key(number), value=draw.randbytes(VALUE_BYTES))


def _network(mode: str, members: int, keys_a_member: int) -> Network:
    keys = _keys(members * keys_a_member)
    genesis = Genesis(
        format=FORMAT,
        name="salus bench",
        time_ms=now_ms(),
        mode=mode,
        version=1,
        members=[
            _member(number, keys[number * keys_a_member : (number + 1) * keys_a_member])
            for number in range(members)
        ],
        parameters={},
        modules={},
    )
    return Network(keys, write_genesis(genesis))


def _keys(count: int) -> list[SigningKey]:
    return [SigningKey(_seed("transaction", one)) for one in range(count)]


def _filling(of: Network, rows: int) -> Iterator[list[bytes]]:
    """Blocks of transactions that write the rows from 0 up."""
    draw = random.Random(1)
    until_ms = now_ms() + LIFETIME_MS
    numbers = iter(range(rows))
    for nonce in itertools.count():
        txs = []
        for key in of.keys[:FILL_TRANSACTIONS]:
            puts = [
                random_row(draw, one) for one in itertools.islice(numbers, FILL_ROWS_A_TRANSACTION)
            ]
            messages = [
                PutRows(rows=puts[at : at + FILL_ROWS_A_MESSAGE])
                for at in range(0, len(puts), FILL_ROWS_A_MESSAGE)
            ]
            if messages:
                txs.append(sign(of.id, key, messages, nonce=nonce, until_ms=until_ms))
        if not txs:
            return
        yield txs


def _member(number: int, keys: Sequence[SigningKey]) -> dict[str, object]:
    others = {
        2: SealingKey(_seed("sealing", number)).public,
        4: SigningKey(_seed("service", number)).public,
        5: SigningKey(_seed("log", number)).public,
        6: node_key(number).public,
    }
    return {
        "name": f"Member {number}",
        "power": POWER,
        "keys": [
            *({"use": TRANSACTION, "key": key.public.hex()} for key in keys),
            *({"use": use, "key": key.hex()} for use, key in others.items()),
        ],
        "issuers": [_issuer(2 * number), _issuer(2 * number + 1)],
    }


def _issuer(number: int) -> dict[str, str]:
    return {
        "id": _seed("issuer", number)[:16].hex(),
        "key": SigningKey(_seed("issuer key", number)).public.hex(),
        "credential": _seed("credential", number).hex(),
    }


def _seed(what: str, number: int) -> bytes:
    return sha256(b"bench ", what.encode(), number.to_bytes(8, "big"))
