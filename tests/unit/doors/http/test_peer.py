"""The peer door over HTTP: members' signed calls, and nobody else's."""

from salus.base import codec
from salus.doors.problems import MEDIA_TYPE
from salus.node.ordering import RENEW, HeightAnswer
from salus.node.peers import Answer, Peer
from salus.node.ports import RealClock
from tests.unit.doors.world import World


def test_a_member_s_call_is_answered(world: World) -> None:
    """The transport carries bytes both ways and knows nothing of them."""
    south = world.network["south"].node

    def carry(call: bytes) -> bytes:
        return world.client.post("/north/peer/v1", content=call).content

    peer = Peer(south.identity, world.north.id, carry, RealClock(), lambda: 0)
    answer = codec.decode(peer.call(RENEW, b""), HeightAnswer)

    assert world.north.node.ledger.tip.height == answer.height


def test_a_stranger_is_answered_no(world: World) -> None:
    """In the peers' own encoding, whatever was sent."""
    answer = world.client.post("/peer/v1", content=b"\xc1")

    assert "CallMalformed" == codec.decode(answer.content, Answer).name


def test_reading_the_peer_door_is_refused(world: World) -> None:
    """It takes bytes, it shows nothing."""
    answer = world.client.get("/peer/v1")

    assert (422, MEDIA_TYPE) == (answer.status_code, answer.headers["content-type"])
