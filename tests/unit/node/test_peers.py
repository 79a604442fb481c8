"""Signed requests between members: what an honest caller and an honest door do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Category, Problem, Refusal
from salus.node import spent_nonces
from salus.node.peers import Answer, Identity, Peer, PeerDoor, Transport, peer_down
from salus.node.signed_request import Request
from tests.support.ledgers import FakeClock
from tests.support.machine import Actor, Ledger


class Busy(Refusal, number=7, category=Category.BUSY):
    """
    Come back later.

    Second paragraph, for the documentation alone.
    """

    module = 3
    waiting: int


class World:
    """Two members over one state; the second one's door."""

    def __init__(self, handler: Callable[[bytes, bytes], bytes]) -> None:
        self.ledger = Ledger(members=2)
        self.clock = FakeClock()
        self.caller, self.callee = self.ledger.members
        self.height = 0
        self.reached: list[int] = []
        self.behind = False
        self.handler = handler
        self.door = self.open()

    def open(self) -> PeerDoor:
        """The door of a process that starts now."""
        return PeerDoor(
            self.ledger.network,
            self.callee.id,
            self.ledger.context,
            {"echo/back": self.handler},
            self.clock,
            self.reach,
        )

    def reach(self, height: int) -> bool:
        """As a node's: waits for its copy."""
        self.reached.append(height)
        return not self.behind

    def peer(self, actor: Actor, transport: Transport | None = None) -> Peer:
        """The door as a member sees it."""
        identity = Identity(self.ledger.network, actor.id, actor.service)
        way = transport or self.answer
        return Peer(identity, self.callee.id, way, self.clock, lambda: self.height)

    def answer(self, request: Request) -> bytes:
        """By the door that is open now."""
        return self.door.answer(request)


def echo(sender: bytes, body: bytes) -> bytes:
    """Who asked, and what."""
    return sender + body


def test_a_call_is_answered_in_the_callers_name() -> None:
    """The handler learns who asked; the body is bytes of any kind, and so is the answer."""
    world = World(echo)

    assert world.caller.id + b"\x00\xff" == world.peer(world.caller).call("echo/back", b"\x00\xff")
    assert world.callee.id == world.peer(world.callee).call("echo/back", b"")


def test_the_answer_comes_from_a_state_as_new_as_the_callers() -> None:
    """The caller's height is waited for; a copy that stays behind says so."""
    world = World(echo)
    world.height = 7
    world.peer(world.caller).call("echo/back", b"")
    world.behind = True

    with pytest.raises(Problem, match="Behind"):
        world.peer(world.caller).call("echo/back", b"")

    assert [7, 7] == world.reached


NOES: dict[str, tuple[Exception, Category, str, str | None]] = {
    "a problem": (
        Problem(Category.GONE, "HeightTooOld", "asked for 1"), Category.GONE, "HeightTooOld", None),
    "a problem with a code": (
        Problem(Category.FORBIDDEN, "NoGrant", "none", code="W4"), Category.FORBIDDEN, "NoGrant",
        "W4"),
    "a refusal": (Busy(waiting=3), Category.BUSY, "Busy", "3007"),
    "a malformed body": (codec.Malformed("at $.a"), Category.MALFORMED, "BodyMalformed", None),
    "a bug": (ZeroDivisionError("secret"), Category.FAULT, "HandlerFailed", None),
}  # fmt: skip


@pytest.mark.parametrize(("no", "category", "name", "code"), NOES.values(), ids=NOES.keys())
def test_a_no_travels_with_its_category(
    no: Exception, category: Category, name: str, code: str | None
) -> None:
    """Name, category and number arrive; a bug's own words do not."""

    def refuse(_sender: bytes, _body: bytes) -> bytes:
        raise no

    world = World(refuse)
    with pytest.raises(Problem) as problem:
        world.peer(world.caller).call("echo/back", b"")

    assert (category, name) == (problem.value.category, problem.value.name)
    assert code == problem.value.facts.get("code")
    assert "secret" not in str(problem.value)


def test_a_long_no_is_cut_and_stays_one_line() -> None:
    """Line breaks in a peer's words would forge lines in our log."""

    def refuse(_sender: bytes, _body: bytes) -> bytes:
        raise Problem(Category.INVALID, "Long", "a\nb\x0b" + "c" * 5_000)

    world = World(refuse)
    with pytest.raises(Problem) as problem:
        world.peer(world.caller).call("echo/back", b"")

    assert 1_000 == len(problem.value.text)
    assert problem.value.text.startswith("a b c")


def test_an_unknown_route_is_told() -> None:
    """404, after the caller is known."""
    world = World(echo)
    with pytest.raises(Problem, match="RouteUnknown"):
        world.peer(world.caller).call("no/such-route", b"")


ANSWERS = {
    "no bytes": b"",
    "nothing in it": codec.encode(Answer()),
    "an unknown category": codec.encode(Answer(category="KIND", name="X", text="x")),
    "another shape": codec.encode({"yes": b""}),
    "a name that is too long": codec.encode({"name": "x" * 65}),
    "a name with a line break": codec.encode({"name": "a\nb"}),
}


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_strange_answer_is_a_no(data: bytes) -> None:
    """Whatever a peer sends back, the caller gets a Problem that may pass."""
    world = World(echo)
    peer = world.peer(world.caller, lambda _request: data)

    with pytest.raises(Problem) as problem:
        peer.call("echo/back", b"")

    assert Category.UNAVAILABLE == problem.value.category


def test_nobody_there_is_told_as_peer_down() -> None:
    """A transport's own problem passes through."""

    def nobody(_request: Request) -> bytes:
        raise peer_down("it does not run")

    world = World(echo)
    with pytest.raises(Problem, match="PeerDown"):
        world.peer(world.caller, nobody).call("echo/back", b"")


def test_a_restart_of_the_door_costs_one_more_request() -> None:
    """The new door names itself, the caller signs again with the name, and keeps it."""
    world = World(echo)
    sent: list[Request] = []

    def carry(request: Request) -> bytes:
        sent.append(request)
        return world.door.answer(request)

    peer = world.peer(world.caller, carry)
    counts = []
    for _ in range(2):
        for _ in range(2):
            peer.call("echo/back", b"")
            counts.append(len(sent))
        world.door = world.open()

    assert [2, 3, 5, 6] == counts


@pytest.mark.parametrize("code", ["0123456789abcdef", "no door", None])
def test_a_door_that_never_agrees_is_asked_twice_at_most(code: str | None) -> None:
    """Whatever it says its name is: the no reaches who asked."""
    world = World(echo)
    answer = codec.encode(Answer(category="UNAUTHENTICATED", code=code, name="DoorChanged"))
    sent: list[Request] = []

    def carry(request: Request) -> bytes:
        sent.append(request)
        return answer

    with pytest.raises(Problem, match="DoorChanged"):
        world.peer(world.caller, carry).call("echo/back", b"")

    assert (2 if code == "0123456789abcdef" else 1) == len(sent)


def test_nonces_are_forgotten_when_no_call_can_be_so_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two minutes after; and who calls more than the door can remember is told to wait."""
    monkeypatch.setattr(spent_nonces, "NONCES_MAX", 3)
    world = World(echo)
    ours, theirs = world.peer(world.caller), world.peer(world.callee)
    for _ in range(3):
        ours.call("echo/back", b"")

    with pytest.raises(Problem, match="CallsTooMany"):
        ours.call("echo/back", b"")
    theirs.call("echo/back", b"")  # another sender is not touched by it
    world.clock.pass_ms(120_001)

    assert ours.call("echo/back", b"")
    assert 1 == world.door._nonces.count(world.caller.id)


def test_the_route_names_no_path(tmp_path: Path) -> None:
    """Small letters, slash and hyphen alone."""
    world = World(echo)
    for route in ("", "A", "a/../b", "a\n", "a" * 65, str(tmp_path / "..")):
        with pytest.raises(Problem, match="CallMalformed"):
            world.peer(world.caller).call(route, b"")
