"""Attacks on signed requests, each refused: replay, another door, another time, another sender."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_row

from salus.base import codec
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.modules.members.messages import AddKey, RetireKey
from salus.modules.members.rules import add_key_bytes
from salus.modules.members.state import MEMBER, SERVICE
from salus.node import signed_request, spent_nonces
from salus.node.peer_target import NO_DOOR, Target
from salus.node.peers import Answer, PeerDoor
from salus.node.signed_request import LIFE_S, Request
from tests.support.ledgers import FakeClock
from tests.support.machine import Ledger

STRANGER = SigningKey(b"\x44" * 32)
NONCE = b"\x05" * 16


class World:
    """Three members over one state, and the third one's door, which counts what it answers."""

    def __init__(self) -> None:
        self.ledger = Ledger(members=3)
        self.caller, self.other, self.callee = self.ledger.members
        self.clock = FakeClock()
        self.answered = 0
        self.door = self.open()
        self.clock.pass_ms(300_000)

    def open(self) -> PeerDoor:
        """The door of a process that starts now."""
        return PeerDoor(
            self.ledger.network,
            self.callee.id,
            self.ledger.context,
            {"ask": self.handle},
            self.clock,
            lambda _height: True,
        )

    def handle(self, _sender: bytes, _body: bytes) -> bytes:
        """A handler with an effect."""
        self.answered += 1
        return b"yes"

    def request(
        self,
        key: SigningKey | None = None,
        *,
        off_ms: int = 0,
        body: bytes = b"body",
        nonce: bytes = NONCE,
        **changes: Any,
    ) -> Request:
        """An honest request of the first member; `off_ms`: made so much later than now."""
        target = Target(self.callee.id, self.ledger.network, "ask", self.door._door, 0)
        return signed_request.sign(
            key or self.caller.service,
            "POST",
            replace(target, **changes).uri,
            body,
            created_s=(self.clock.now_ms() + off_ms) // 1_000,
            nonce=nonce,
        )

    def ask(self, request: Request) -> tuple[int, str]:
        """Status and name of the no; 200 and an empty text if it was answered."""
        reply = self.door.reply(request)
        return reply.status, codec.decode(reply.data, Answer).name or ""


@pytest.fixture
def world() -> World:
    """A door that is some minutes old."""
    return World()


ANSWERED = (200, "")
REPLAYED = (409, "CallReplayed")


def test_an_honest_request_is_answered_once(world: World) -> None:
    """The same request a second time is a replay: 409, and nothing is done again."""
    request = world.request()

    assert ANSWERED == world.ask(request)
    assert REPLAYED == world.ask(request)
    assert 1 == world.answered


@pytest.mark.parametrize("off_ms", [-60_000, 0, 60_000])
@pytest.mark.parametrize("back_ms", [0, 30_000, 600_000])
def test_a_replay_after_a_restart_is_refused(world: World, off_ms: int, back_ms: int) -> None:
    """
    The nonces are gone with the process, and the door's name with them.

    However far ahead of its clock the request was made, and wherever the clock stands since; and
    an honest request made at the same moment is answered at once.
    """
    request = world.request(off_ms=off_ms)
    assert ANSWERED == world.ask(request)
    world.clock.step_ms(-back_ms)
    world.door = world.open()
    for _ in range(12):
        status, name = world.ask(request)
        assert (401, True) == (status, name in ("DoorChanged", "CallUntimely"))
        world.clock.pass_ms(60_000)

    assert ANSWERED == world.ask(world.request())
    assert 2 == world.answered


def test_a_replay_is_refused_for_as_long_as_the_request_lives(world: World) -> None:
    """From a minute ahead to a minute behind: two minutes, while the nonce is remembered."""
    request = world.request(off_ms=60_000)
    assert ANSWERED == world.ask(request)
    for _ in range(120):
        assert REPLAYED == world.ask(request)
        world.clock.pass_ms(1_000)
    assert REPLAYED == world.ask(request)
    world.clock.pass_ms(1)
    assert (401, "CallUntimely") == world.ask(request)
    assert 1 == world.answered


def test_a_flooder_cannot_make_the_door_forget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member's many calls push nobody's nonce out, not even its own."""
    monkeypatch.setattr(spent_nonces, "NONCES_MAX", 4)
    victim = world.request()
    world.ask(victim)
    said = [
        world.ask(world.request(world.other.service, nonce=bytes([number]) * 16))
        for number in range(5)
    ]

    assert [*[ANSWERED] * 4, (429, "CallsTooMany")] == said
    assert REPLAYED == world.ask(victim)


def test_another_member_cannot_spend_a_nonce(world: World) -> None:
    """A nonce counts for its sender alone."""
    world.ask(world.request(world.other.service))

    assert ANSWERED == world.ask(world.request())


def _with_life(request: Request, key: SigningKey, life_s: int) -> Request:
    """Signed anew with another `expires`."""
    (digest, (_, fields), _) = request.headers
    stated = signed_request.read(request)
    expires = f"expires={stated.created_s + life_s}"
    parameters = fields[2:].replace(f"expires={stated.expires_s}", expires)
    covered = [("@method", request.method), ("@target-uri", request.target), digest]
    signature = key.sign(signed_request.signature_base(covered, parameters))[1:]
    signed = f"s=:{signed_request._base64(signature)}:"
    return replace(
        request, headers=(digest, ("signature-input", f"s={parameters}"), ("signature", signed))
    )


def _under(request: Request, other: Request) -> Request:
    """The first one's line and body under the other's fields."""
    return replace(request, headers=other.headers)


Forge = Callable[[World], Request]

FORGED: dict[str, tuple[Forge, str]] = {
    "to another member": (lambda w: w.request(member=w.other.id), "CallMisdirected"),
    "of another network": (lambda w: w.request(network=bytes(32)), "NetworkWrong"),
    "by a stranger's key": (lambda w: w.request(STRANGER), "CallerUnknown"),
    "by the sender's log key": (lambda w: w.request(w.caller.log), "CallerUnknown"),
    "by the sender's transaction key": (
        lambda w: w.request(w.caller.transaction), "CallerUnknown"),
    "over a minute old": (lambda w: w.request(off_ms=-61_000), "CallUntimely"),
    "over a minute ahead": (lambda w: w.request(off_ms=61_000), "CallUntimely"),
    "expired": (
        lambda w: _with_life(w.request(off_ms=-10_000), w.caller.service, 9), "CallUntimely"),
    "expiring before it was made": (
        lambda w: _with_life(w.request(off_ms=20_000), w.caller.service, -1), "CallUntimely"),
    "expiring as it was made": (
        lambda w: _with_life(w.request(off_ms=20_000), w.caller.service, 0), "CallUntimely"),
    "living too long": (
        lambda w: _with_life(w.request(), w.caller.service, LIFE_S + 1), "CallUntimely"),
    "for an earlier start of the door": (
        lambda w: w.request(door="0" * 15 + "1"), "DoorChanged"),
    "for no start of the door": (lambda w: w.request(door=NO_DOOR), "DoorChanged"),
    "with another body": (lambda w: replace(w.request(), body=b"other"), "DigestWrong"),
    "with another body under its signature": (
        lambda w: _under(w.request(body=b"other"), w.request()), "DigestWrong"),
    "with another target under its signature": (
        lambda w: _under(w.request(route="other"), w.request()), "SignatureWrong"),
    "with another height under its signature": (
        lambda w: _under(w.request(height=1), w.request()), "SignatureWrong"),
    "with another's signature": (
        lambda w: replace(w.request(), headers=(
            *w.request().headers[:2], w.request(w.other.service).headers[2])), "SignatureWrong"),
    "under another's keyid": (
        lambda w: _named(w.request(), w.caller.service, w.other.service), "SignatureWrong"),
}  # fmt: skip
"""What is forged, and which check finds it."""


def _named(request: Request, key: SigningKey, other: SigningKey) -> Request:
    """A request whose keyid names another key than the one that signed."""
    digest, (name, fields), signature = request.headers
    changed = fields.replace(key.key_id.hex(), other.key_id.hex())
    return replace(request, headers=(digest, (name, changed), signature))


@pytest.mark.parametrize(("forge", "name"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_request_is_refused(world: World, forge: Forge, name: str) -> None:
    """401, nothing is done, and the victim's nonce is not spent."""
    assert (401, name) == world.ask(forge(world))
    assert 0 == world.answered
    assert ANSWERED == world.ask(world.request())


@pytest.mark.parametrize("status", ["suspended", "removed"])
def test_a_member_that_was_put_out_is_refused_at_once(world: World, status: str) -> None:
    """By the newest block, whatever the transport believes."""
    with world.ledger.trying() as ctx:
        row = ctx.read(MEMBER, world.caller.id)
        assert row is not None
        ctx.write(MEMBER, with_row(row, status=status), world.caller.id)

    assert (401, "CallerUnknown") == world.ask(world.request())


def test_an_old_key_is_refused_from_the_block_that_retires_it(world: World) -> None:
    """Until then both count, so that one can follow the other without a gap."""
    old, new = world.caller.service, STRANGER
    proof = new.sign(add_key_bytes(world.ledger.network, world.caller.id, SERVICE, new.public))
    world.ledger.send(world.caller, AddKey(use=SERVICE, key=new.public, proof=proof))
    before = [world.ask(world.request(key, nonce=key.key_id)) for key in (old, new)]
    world.ledger.send(world.caller, RetireKey(use=SERVICE, key=old.public))
    after = [world.ask(world.request(key)) for key in (old, new)]

    assert [ANSWERED, ANSWERED] == before
    assert [(401, "CallerUnknown"), ANSWERED] == after


def test_one_altered_character_is_refused(world: World) -> None:
    """Anywhere in the line, the fields and the body; the honest one still passes afterwards."""
    honest = world.request()
    altered = [replace(honest, method=one) for one in _altered(honest.method)]
    altered += [replace(honest, target=one) for one in _altered(honest.target)]
    for place, (name, value) in enumerate(honest.headers):
        for one in [*((other, value) for other in _altered(name)), *(
            (name, other) for other in _altered(value)
        )]:  # fmt: skip
            lines = [*honest.headers[:place], one, *honest.headers[place + 1 :]]
            altered.append(replace(honest, headers=tuple(lines)))
    altered += [replace(honest, body=one.encode("latin-1")) for one in _altered("body")]
    statuses = {world.ask(one)[0] for one in altered}

    assert {400, 401} == statuses
    assert 0 == world.answered
    assert ANSWERED == world.ask(honest)


def _altered(text: str) -> list[str]:
    """One bit of one character turned, each in its turn; and cut at each end."""
    turned = [
        text[:at] + chr(ord(text[at]) ^ bit) + text[at + 1 :]
        for at in range(len(text))
        for bit in (1, 2, 32, 128)
    ]
    return [*turned, text[1:], text[:-1], ""]


def test_size_and_form_are_told_first(world: World) -> None:
    """Over the bound: 413, before anything is read; no fields, another method or target: 400."""
    honest = world.request()
    large = replace(honest, headers=(), body=bytes(PEER_CALL_BYTES_MAX + 1))

    assert (413, "CallTooLarge") == world.ask(large)
    for bad in (
        replace(honest, headers=()),
        replace(honest, method="GET"),
        replace(honest, target="https://example.com/"),
        replace(honest, headers=(*honest.headers, honest.headers[2])),
    ):
        assert (400, "CallMalformed") == world.ask(bad)


def _all_wrong(world: World, **changes: Any) -> Request:
    wrong = {"member": world.other.id, "network": bytes(32), "door": NO_DOOR, "route": "other"}
    request = world.request(STRANGER, off_ms=-90_000, **{**wrong, **changes})
    return replace(_unsigned(request), body=b"other")


def _mine(world: World, **changes: Any) -> Request:
    return replace(_unsigned(world.request(route="other", **changes)), body=b"other")


def _unsigned(request: Request) -> Request:
    """With a signature of zeros."""
    return replace(request, headers=(*request.headers[:2], ("signature", f"s=:{'A' * 86}==:")))


ORDER: list[tuple[str, Forge]] = [
    ("CallMalformed", lambda w: replace(_all_wrong(w), headers=())),
    ("CallMisdirected", _all_wrong),
    ("NetworkWrong", lambda w: _all_wrong(w, member=w.callee.id)),
    ("CallerUnknown", lambda w: _all_wrong(w, member=w.callee.id, network=w.ledger.network)),
    ("CallUntimely", lambda w: _mine(w, off_ms=-90_000, door=NO_DOOR)),
    ("DoorChanged", lambda w: _mine(w, door=NO_DOOR)),
    ("DigestWrong", _mine),
    ("SignatureWrong", lambda w: _unsigned(w.request(route="other"))),
    ("RouteUnknown", lambda w: w.request(route="other")),
]
"""Each row breaks its own rule and all the later ones that it can."""


@pytest.mark.parametrize(("name", "make"), ORDER, ids=[name for name, _ in ORDER])
def test_checks_stand_in_the_order_documented(world: World, name: str, make: Forge) -> None:
    """So strangers learn nothing of keys' acts or routes; the route is looked at last."""
    assert name == world.ask(make(world))[1]
    assert 0 == world.answered


def test_a_clock_set_back_does_not_lock_members_out(world: World) -> None:
    """A door remembers all it answered since it was started: only the minute counts."""
    world.clock.step_ms(-290_000)

    assert ANSWERED == world.ask(world.request())
    assert REPLAYED == world.ask(world.request())
