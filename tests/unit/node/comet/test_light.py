"""The light client's questions over the peer door: carried whole, bounded, and nothing else."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.errors import Problem
from salus.node.comet import light
from salus.node.comet.home import CometHome
from salus.node.comet.light import ROUTE, LightAsked, LightDoor, routes
from salus.node.comet.rpc import UnixConnection
from salus.node.peers import Handler, Identity, Peer, PeerDoor
from tests.support.ledgers import Chain, FakeClock

COMMIT = LightAsked(height=7, method="commit", page=1, per_page=100)


class Told:
    """An HTTP server on CometBFT's socket that says what the test puts there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        self.answer = b'{"jsonrpc":"2.0","id":-1,"result":{"height":"7"}}'
        self.asked: list[str] = []
        outer = self

        class Line(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingUnixStreamServer(str(path), Line)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def home(tmp_path: Path) -> CometHome:
    """A member's."""
    return CometHome(tmp_path / "comet", "127.0.0.1:1")


@pytest.fixture
def comet(home: CometHome) -> Iterator[Told]:
    """Its CometBFT."""
    made = Told(home.rpc_socket)
    yield made
    made.close()


@pytest.fixture
def ask(tmp_path: Path, home: CometHome, comet: Told) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """Posts to the socket that CometBFT is handed: by a peer door to the member's CometBFT."""
    assert comet.asked == []
    chain, clock = Chain(members=2), FakeClock()
    ledger = chain.open(tmp_path / "ledger")
    giver, asker = chain.members
    door = PeerDoor(
        chain.network, giver.id, ledger.view, routes(home), clock, reach=lambda _height: True
    )
    identity = Identity(chain.network, asker.id, asker.service)
    path = tmp_path / "ask0.sock"
    served = LightDoor(path, Peer(identity, giver.id, door.answer, clock, lambda: 0))
    assert f"unix://{path}" == served.url
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)

    def post(body: bytes, method: str = "POST") -> tuple[int, bytes]:
        connection = UnixConnection(path)
        connection.request(method, "/", body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    yield post
    served.close()
    ledger.close()
    assert not path.exists()


def call(method: str, **params: str) -> bytes:
    """As CometBFT's client writes a call."""
    return json.dumps({"jsonrpc": "2.0", "id": 3, "method": method, "params": params}).encode()


def test_a_question_is_carried_and_its_number_comes_back(
    ask: Callable[..., tuple[int, bytes]], comet: Told
) -> None:
    """Four questions, with CometBFT's own words for each; the answer is not looked into."""
    status, data = ask(call("commit", height="7"))
    assert (200, {"jsonrpc": "2.0", "id": 3, "result": {"height": "7"}}) == (
        status,
        json.loads(data),
    )
    ask(call("validators", height="7", page="2", per_page="100"))
    ask(call("consensus_params", height="8"))
    ask(call("status"))

    expected = [
        "/commit?height=7",
        "/validators?height=7&page=2&per_page=100",
        "/consensus_params?height=8",
        "/status?",
    ]
    assert expected == comet.asked


def test_comets_own_no_is_handed_on(ask: Callable[..., tuple[int, bytes]], comet: Told) -> None:
    """The light client tells a height that is not there yet from a lie by these words."""
    no = {"code": -32603, "message": "Internal error", "data": "height 9 must be less than"}
    comet.answer = json.dumps({"jsonrpc": "2.0", "id": -1, "error": no}).encode()
    _, data = ask(call("commit", height="9"))

    assert {"jsonrpc": "2.0", "id": 3, "error": no} == json.loads(data)


NOT_CARRIED = {
    "a method that is not read-only": call("broadcast_tx_sync", tx="AA=="),
    "a parameter nobody knows": call("commit", prove="true"),
    "a height that is none": call("commit", height="-1"),
    "a batch": b"[" + call("commit") + b"]",
    "no JSON": b"\x00",
}


@pytest.mark.parametrize("name", NOT_CARRIED)
def test_anything_else_reaches_nobody(
    ask: Callable[..., tuple[int, bytes]], comet: Told, name: str
) -> None:
    """The line is cut; the member is not asked."""
    assert 502 == ask(NOT_CARRIED[name])[0]
    assert [] == comet.asked


def test_questions_are_short(ask: Callable[..., tuple[int, bytes]], comet: Told) -> None:
    """Refused by the length alone, as is another way to ask."""
    assert 400 == ask(call("commit", height="1" * light.QUESTION_BYTES_MAX))[0]
    assert 501 == ask(b"", method="GET")[0]
    assert [] == comet.asked


def test_answers_are_bounded(home: CometHome, comet: Told) -> None:
    """A CometBFT that says without end fills nobody's memory."""
    comet.answer = bytes(light.ANSWER_BYTES_MAX + 1)
    with pytest.raises(Problem, match="LightTooLarge"):
        handler(home)(b"", codec.encode(COMMIT))


def test_a_member_whose_comet_is_down_says_so(home: CometHome) -> None:
    """The next one is asked then."""
    with pytest.raises(Problem, match="CometDown"):
        handler(home)(b"", codec.encode(COMMIT))


def test_the_door_itself_knows_four_questions(home: CometHome) -> None:
    """A member may send what it likes; another method is malformed."""
    asked = codec.encode(COMMIT).replace(b"commit", b"genesi")
    with pytest.raises(Malformed):
        handler(home)(b"", asked)


def handler(home: CometHome) -> Handler:
    """The member's own."""
    return routes(home)[ROUTE]
