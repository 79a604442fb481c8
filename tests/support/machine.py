"""
A small ledger in memory for tests: the real machine over a dictionary, no engine, disk or clock.

    ledger = Ledger(members=3)                     three members with all their keys, from a genesis
    receipt = ledger.send(ledger.members[0], DefineTerm(kind=1, number=2, text="VIEW"))
    ctx = ledger.context(ledger.members[1])        to call a handler directly

Whatever `context` writes is forgotten, unless given back with `keep`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, TypeVar

from salus.base import codec
from salus.base.codec import Struct
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey, member_id
from salus.chain import MODULES
from salus.machine.block import Block, Evidence, Outcome, Receipt
from salus.machine.context import Context
from salus.machine.execute import Machine
from salus.machine.genesis import FORMAT, Genesis, first_rows, network_id, write_genesis
from salus.machine.module import Event, Message, Module
from salus.machine.tables import NONCE
from salus.machine.transaction import sign
from salus.state.overlay import Overlay
from salus.state.tables import Table

Row = TypeVar("Row", bound=Struct)

GENESIS_MS = 1_764_000_000_000
"""2025-11-24T16:00:00Z."""

BLOCK_MS = 1_000
LIFETIME_MS = 60_000


class Person:
    """A practitioner of a test member: an id and a key."""

    def __init__(self, name: str, role: int = 7) -> None:
        """`name`: everything is derived from it, so that runs are equal."""
        self.role = role
        self.id = _seed(name, "id")[:16]
        self.key = SigningKey(_seed(name, "key"))
        self.credential = _seed(name, "credential")


class Actor:
    """A test member with all its keys and two issuers."""

    def __init__(self, number: int) -> None:
        """`number`: everything is derived from it, so that runs are equal."""
        self.name = f"Hospital {number}"
        self.transaction = SigningKey(_seed(self.name, "transaction"))
        self.sealing = SealingKey(_seed(self.name, "sealing"))
        self.service = SigningKey(_seed(self.name, "service"))
        self.log = SigningKey(_seed(self.name, "log"))
        self.node = SigningKey(_seed(self.name, "node"))
        self.id = member_id(self.transaction.public)
        self.issuers = [Person(f"{self.name} issuer {one}") for one in (1, 2)]

    @property
    def keys(self) -> dict[int, bytes]:
        """Use -> public key, 33 B."""
        return {
            1: self.transaction.public,
            2: self.sealing.public,
            4: self.service.public,
            5: self.log.public,
            6: self.node.public,
        }

    def genesis(self, power: int = 0) -> dict[str, Any]:
        """The member as the genesis file holds it."""
        return {
            "name": self.name,
            "address": f"https://{self.name.lower().replace(' ', '-')}.example",
            "keys": [{"use": use, "key": key.hex()} for use, key in self.keys.items()],
            "power": power,
            "issuers": [
                {
                    "id": one.id.hex(),
                    "key": one.key.public.hex(),
                    "credential": one.credential.hex(),
                }
                for one in self.issuers
            ],
        }


class Ledger:
    """State, height and time after each block; blocks are a second apart."""

    def __init__(
        self,
        *,
        members: int = 3,
        modules: Sequence[Module] = MODULES,
        mode: str = "embedded",
        power: int = 0,
        parameters: Mapping[str, int] | None = None,
        sections: Callable[[list[Actor]], dict[str, Any]] = lambda _members: {},
    ) -> None:
        """`sections`: the genesis sections of further modules, made from the members."""
        self.machine = Machine(modules)
        self.members = [Actor(number) for number in range(members)]
        self.genesis = write_genesis(
            Genesis(
                format=FORMAT,
                name="test",
                time_ms=GENESIS_MS,
                mode=mode,
                version=1,
                members=[one.genesis(power) for one in self.members],
                parameters=dict(parameters or {}),
                modules=sections(self.members),
            )
        )
        self.network = network_id(self.genesis)
        self.rows: dict[bytes, bytes] = {}
        self._put(first_rows(self.machine, self.genesis))
        self.height = 0
        self.time_ms = GENESIS_MS

    def context(self, actor: Actor | None = None) -> Context:
        """What a handler of the next block sees, the actor having signed; its overlay is fresh."""
        ctx = _Keeping(
            Overlay(self.rows.get),
            network=self.network,
            height=self.height + 1,
            time_ms=self.time_ms + BLOCK_MS,
            declared=self.machine.declared,
        )
        if actor is not None:
            ctx.signer = actor.transaction.key_id
            ctx.member = actor.id
        return ctx

    def keep(self, ctx: Context) -> None:
        """Put what a context of `context` wrote into the state."""
        assert isinstance(ctx, _Keeping)
        self._put(ctx.changes())

    @contextmanager
    def trying(self, actor: Actor | None = None) -> Iterator[Context]:
        """A context whose writes are kept unless something is raised."""
        ctx = self.context(actor)
        yield ctx
        self.keep(ctx)

    def sign(self, actor: Actor, *messages: Message, key: SigningKey | None = None) -> bytes:
        """An envelope of the actor (or of another key) with its next nonce."""
        key = key or actor.transaction
        window = self.row(NONCE, key.key_id)
        return sign(
            self.network,
            key,
            messages,
            nonce=0 if window is None else window.floor,
            until_ms=self.time_ms + LIFETIME_MS,
        )

    def send(self, actor: Actor, *messages: Message) -> Receipt:
        """Execute one transaction in a block of its own."""
        return self.block(self.sign(actor, *messages)).receipts[0]

    def block(
        self, *envelopes: bytes, evidence: Sequence[Evidence] = (), height: int | None = None
    ) -> Outcome:
        """Execute a block, `height` if it is not the next, a second later."""
        self.height = self.height + 1 if height is None else height
        self.time_ms += BLOCK_MS
        block = Block(
            evidence=list(evidence),
            height=self.height,
            time_ms=self.time_ms,
            txs=list(envelopes),
        )
        outcome = self.machine.execute(self.network, self.rows.get, block)
        self._put(outcome.changes)
        return outcome

    def row(self, table: Table[Row], *parts: int | str | bytes) -> Row | None:
        """One row of the state, or None."""
        value = self.rows.get(table.key(*parts))
        return None if value is None else table.decode(value)

    def all_rows(self, table: Table[Row]) -> dict[Any, Row]:
        """All rows of a table by key; a key of one part stands bare, of several as a tuple."""
        found = {}
        for state_key, value in sorted(self.rows.items()):
            if state_key.startswith(table.prefix):
                parts = table.split(state_key)
                found[parts[0] if len(parts) == 1 else parts] = table.decode(value)
        return found

    def _put(self, changes: Mapping[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


class _Keeping(Context):
    """A context that can give back what it wrote."""

    def changes(self) -> dict[bytes, bytes | None]:
        return self._overlay.changes()


def told(events: Sequence[bytes], *kinds: type[Event]) -> list[Any]:
    """Decode events of the given kinds; each must be one of them."""
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return [codec.decode(event, union) for event in events]


def _seed(*words: str) -> bytes:
    return sha256("/".join(words).encode()).digest()
