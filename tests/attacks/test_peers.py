"""Attacks on signed calls, each refused: replay, another door, another time, another sender."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from salus.base import codec
from salus.base.errors import Category
from salus.base.hashing import domain
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.modules.members.state import MEMBER
from salus.node.peers import Answer, Call, PeerDoor, SignedCall
from tests.support.ledgers import FakeClock
from tests.support.machine import GENESIS_MS, Ledger

STRANGER = SigningKey(b"\x44" * 32)


class World:
    """Three members over one state, and the third one's door, which counts what it answers."""

    def __init__(self) -> None:
        self.ledger = Ledger(members=3)
        self.clock = FakeClock()
        self.answered = 0
        self.door = self.open()
        self.clock.pass_ms(300_000)  # so that a call can be old without being older than the door

    def open(self) -> PeerDoor:
        """The door of a process that starts now."""
        return PeerDoor(
            self.ledger.network,
            self.ledger.members[2].id,
            self.ledger.context,
            {"ask": self.handle},
            self.clock,
            lambda _height: True,
        )

    def handle(self, _sender: bytes, _body: bytes) -> bytes:
        """A handler with an effect."""
        self.answered += 1
        return b"yes"

    def call(self, **changes: object) -> Call:
        """An honest call of the first member."""
        call = Call(
            body=b"body",
            created_ms=self.clock.now_ms(),
            height=0,
            nonce=b"\x05" * 16,
            route="ask",
            sender=self.ledger.members[0].id,
            to=self.ledger.members[2].id,
        )
        return replace(call, **changes)

    def sign(
        self, call: Call, key: SigningKey | None = None, network: bytes | None = None
    ) -> bytes:
        """The call as it travels."""
        data = codec.encode(call)
        signed = domain("request") + (network or self.ledger.network) + data
        key = key or self.ledger.members[0].service
        return codec.encode(SignedCall(call=data, sig=key.sign(signed)))

    def ask(self, data: bytes) -> tuple[str, str]:
        """Category and name of the no, or two empty texts."""
        answer = codec.decode(self.door.answer(data), Answer)
        return (answer.category or "", answer.name or "")


@pytest.fixture
def world() -> World:
    """A door that is some minutes old."""
    return World()


REFUSED = (Category.UNAUTHENTICATED.name, "CallRefused")


def test_an_honest_call_is_answered_once(world: World) -> None:
    """The same bytes a second time are a replay: 409, and nothing is done again."""
    data = world.sign(world.call())

    assert ("", "") == world.ask(data)
    assert ("CONFLICT", "CallReplayed") == world.ask(data)
    assert 1 == world.answered


def test_a_replay_after_a_restart_is_refused(world: World) -> None:
    """The nonces are gone with the process, so a call older than the door does not count."""
    data = world.sign(world.call())
    world.ask(data)
    world.clock.pass_ms(1)
    world.door = world.open()

    assert REFUSED == world.ask(data)
    assert ("", "") == world.ask(world.sign(world.call()))
    assert 2 == world.answered


def test_a_replay_is_refused_for_as_long_as_the_call_lives(world: World) -> None:
    """From a minute ahead to a minute behind: two minutes, while the nonce is remembered."""
    data = world.sign(world.call(created_ms=world.clock.now_ms() + 60_000))
    assert ("", "") == world.ask(data)
    for _ in range(120):
        assert ("CONFLICT", "CallReplayed") == world.ask(data)
        world.clock.pass_ms(1_000)
    world.clock.pass_ms(1)
    assert REFUSED == world.ask(data)
    assert 1 == world.answered


def test_a_flooder_cannot_make_the_door_forget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member's many calls push nobody's nonce out, not even its own."""
    monkeypatch.setattr("salus.node.peers.NONCES_MAX", 4)
    victim = world.sign(world.call())
    world.ask(victim)
    flooder = world.ledger.members[1]
    for number in range(9):
        flood = world.call(sender=flooder.id, nonce=bytes([number]) * 16)
        world.ask(world.sign(flood, flooder.service))

    assert ("CONFLICT", "CallReplayed") == world.ask(victim)
    assert 5 == world.answered


def test_another_member_cannot_spend_a_nonce(world: World) -> None:
    """A nonce counts for its sender alone."""
    thief = world.ledger.members[1]
    world.ask(world.sign(world.call(sender=thief.id), thief.service))

    assert ("", "") == world.ask(world.sign(world.call()))


FORGED: dict[str, Callable[[World], bytes]] = {
    "to another member": lambda w: w.sign(w.call(to=w.ledger.members[1].id)),
    "of another network": lambda w: w.sign(w.call(), network=bytes(32)),
    "a minute and more old": lambda w: w.sign(w.call(created_ms=w.clock.now_ms() - 60_001)),
    "a minute and more ahead": lambda w: w.sign(w.call(created_ms=w.clock.now_ms() + 60_001)),
    "of an unknown sender": lambda w: w.sign(w.call(sender=b"\x09" * 16), STRANGER),
    "by a stranger's key": lambda w: w.sign(w.call(), STRANGER),
    "by another member": lambda w: w.sign(w.call(), w.ledger.members[1].service),
    "by the sender's log key": lambda w: w.sign(w.call(), w.ledger.members[0].log),
    "by the sender's transaction key": lambda w: w.sign(w.call(), w.ledger.members[0].transaction),
    "with another's body under its signature": lambda w: codec.encode(
        SignedCall(
            call=codec.encode(w.call(body=b"other")),
            sig=codec.decode(w.sign(w.call()), SignedCall).sig,
        )
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_call_is_refused(world: World, forge: Callable[[World], bytes]) -> None:
    """401, nothing is done, and the victim's nonce is not spent."""
    assert REFUSED == world.ask(forge(world))
    assert 0 == world.answered
    assert ("", "") == world.ask(world.sign(world.call()))


@pytest.mark.parametrize("status", ["suspended", "removed"])
def test_a_member_that_was_put_out_is_refused_at_once(world: World, status: str) -> None:
    """By the newest block, whatever the transport believes."""
    sender = world.ledger.members[0].id
    with world.ledger.trying() as ctx:
        row = ctx.read(MEMBER, sender)
        assert row is not None
        ctx.write(MEMBER, replace(row, status=status), sender)

    assert REFUSED == world.ask(world.sign(world.call()))


def test_one_altered_bit_is_refused(world: World) -> None:
    """Anywhere in the signed call; the honest one still passes afterwards."""
    data = world.sign(world.call())
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert world.ask(altered)[0] in ("UNAUTHENTICATED", "MALFORMED"), at

    assert 0 == world.answered
    assert ("", "") == world.ask(data)


def test_bad_form_is_told_first(world: World) -> None:
    """Cut, longer, another encoding, another shape: 400; over the bound: 413, before decoding."""
    data = world.sign(world.call())
    for at in range(len(data)):
        assert ("MALFORMED", "CallMalformed") == world.ask(data[:at])
    assert ("MALFORMED", "CallMalformed") == world.ask(data + b"\x00")
    assert ("MALFORMED", "CallMalformed") == world.ask(b"\x91" * 5_000)
    assert ("TOO_LARGE", "CallTooLarge") == world.ask(bytes(PEER_CALL_BYTES_MAX + 1))


ORDER: dict[str, tuple[dict[str, object], SigningKey, tuple[str, str]]] = {
    "another receiver, unknown sender": (
        {"to": b"\x01" * 16, "sender": b"\x02" * 16}, STRANGER, REFUSED),
    "too old, unknown route": ({"created_ms": GENESIS_MS, "route": "other"}, STRANGER, REFUSED),
    "a bad signature, unknown route": ({"route": "other"}, STRANGER, REFUSED),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "key", "no"), ORDER.values(), ids=ORDER.keys())
def test_strangers_do_not_learn_what_routes_there_are(
    world: World, changes: dict[str, object], key: SigningKey, no: tuple[str, str]
) -> None:
    """The route is looked at last."""
    assert no == world.ask(world.sign(world.call(**changes), key))


def test_a_clock_set_back_does_not_lock_members_out(world: World) -> None:
    """A door older than two minutes remembers all it answered: only the minute counts."""
    world.clock.step_ms(-290_000)

    assert ("", "") == world.ask(world.sign(world.call()))
    assert ("CONFLICT", "CallReplayed") == world.ask(world.sign(world.call()))
