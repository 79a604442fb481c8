"""The peer door over HTTP: members' signed requests, and nobody else's."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from salus.base import codec
from salus.doors.http.member import MemberDoor
from salus.doors.member.peer_app import create_peer_app
from salus.doors.problems import MEDIA_TYPE
from salus.node import signed_request
from salus.node.ordering import RENEW, HeightAnswer
from salus.node.peer_target import NO_DOOR, PATH, Target, host
from salus.node.peers import Answer, Peer
from salus.node.ports import RealClock
from salus.node.signed_request import Request
from tests.unit.doors.world import World


@pytest.fixture(name="door")
def open_door(world: World) -> Iterator[TestClient[Litestar]]:
    """North's peer door."""
    with TestClient(create_peer_app(MemberDoor("north", world.north.node))) as client:
        yield client


def south(world: World) -> Peer:
    """North as South sees it; nothing travels."""
    identity = world.network["south"].node.identity
    return Peer(identity, world.north.id, lambda _: b"", RealClock(), lambda: 0)


def signed(world: World, **changes: object) -> Request:
    """A request of South to North."""
    target = Target(world.north.id, world.network_id, RENEW, NO_DOOR, 0)
    return signed_request.sign(
        world.network["south"].keys.service,
        "POST",
        replace(target, **changes).uri,  # type: ignore[arg-type]  # the target's own fields
        b"",
        created_s=RealClock().now_ms() // 1_000,
        nonce=bytes(16),
    )


def send(door: TestClient[Litestar], request: Request, **fields: str) -> tuple[int, bytes]:
    """Status and body; `fields` replace the request's own."""
    path = request.target.partition(".salus.alt")[2]
    headers = {"host": request.target.split("/")[2], **dict(request.headers), **fields}
    answer = door.post(path, content=request.body, headers=headers)
    return answer.status_code, answer.content


def no(data: bytes) -> str | None:
    """The name of a no, in the peers' own encoding."""
    return codec.decode(data, Answer).name


def test_a_member_s_request_is_answered(world: World, door: TestClient[Litestar]) -> None:
    """What was signed is what the door rebuilds from line, host and fields."""
    peer = south(world)
    peer._transport = lambda request: send(door, request)[1]
    answer = codec.decode(peer.call(RENEW, b""), HeightAnswer)

    assert world.north.node.ledger.tip.height == answer.height


def test_a_no_has_its_http_status(world: World, door: TestClient[Litestar]) -> None:
    """A gateway product sees what happened, without our encoding."""
    known = world.north.node.door._door
    request = signed(world, door=known)
    seen = [
        send(door, signed(world)),
        send(door, request),
        send(door, request),
        send(door, signed(world, door=known), signature="s=::"),
    ]

    assert [(401, "DoorChanged"), (200, None), (409, "CallReplayed"), (400, "CallMalformed")] == [
        (status, no(data)) for status, data in seen
    ]


LINES = {
    "another host": {"host": "example.com"},
    "another member's host": {"host": host(bytes(16))},
    "a host with a port": {"host": host(bytes(16)) + ":443"},
}


@pytest.mark.parametrize("fields", LINES.values(), ids=LINES.keys())
def test_the_host_is_part_of_what_was_signed(
    world: World, door: TestClient[Litestar], fields: dict[str, str]
) -> None:
    """The door looks at the one that came, not at what it expects."""
    status, data = send(door, signed(world, door=world.north.node.door._door), **fields)

    assert status in (400, 401)
    assert no(data) in ("CallMalformed", "CallMisdirected")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/x", f"{PATH}//x?door=1"])
def test_a_stranger_is_answered_no(door: TestClient[Litestar], path: str) -> None:
    """In the peers' own encoding, whatever was sent."""
    answer = door.post(path, content=b"\xc1")

    assert (400, "CallMalformed") == (answer.status_code, no(answer.content))


def test_reading_the_peer_door_is_refused(door: TestClient[Litestar]) -> None:
    """It takes signed requests, it shows nothing."""
    answer = door.get(PATH)

    assert (422, MEDIA_TYPE) == (answer.status_code, answer.headers["content-type"])


@pytest.mark.parametrize("path", [PATH, f"/north{PATH}", f"{PATH}/x"])
def test_the_api_has_no_peer_door(world: World, path: str) -> None:
    """Its port speaks plain HTTP: members meet behind TLS alone."""
    assert 404 == world.client.post(path, content=b"").status_code
