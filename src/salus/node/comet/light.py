"""
What CometBFT's light client asks of other members, over their peer doors (ADR 0019).

Their RPC is a Unix socket of their own. So a member answers a few read-only questions over its
door, from its CometBFT; whoever syncs hands its own CometBFT a Unix socket for each member it asks.
CometBFT checks every answer against the hash it was told to trust.
"""

import threading
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Literal

import msgspec
import structlog

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.types import U16, Height
from salus.node.comet.home import CometHome
from salus.node.comet.rpc import fetch
from salus.node.peers import Handler, Peer

log = structlog.get_logger()

ROUTE = "comet/light"
"""Of every network member's peer door."""

ANSWER_BYTES_MAX = 1024 * 1024
"""Commit or validators of at most 64 members take some ten thousand bytes."""

QUESTION_BYTES_MAX = 4 * 1024
"""CometBFT's own questions have a hundred bytes."""

IDLE_S = 60.0
"""A line that says nothing for so long is cut."""

Method = Literal["commit", "validators", "consensus_params", "status"]


class LightAsked(Struct, frozen=True):
    """A question about a height."""

    height: Height
    """0: the newest."""

    method: Method
    page: U16
    """Of validators; from 1."""

    per_page: U16


class Call(msgspec.Struct):
    """A call of JSON-RPC 2.0 as CometBFT's client makes it: numbers of 64 bits are texts."""

    id: int
    method: Method
    params: "Params"


class Params(msgspec.Struct, forbid_unknown_fields=True):
    """Of a call; each may be left out."""

    height: str = "0"
    page: str = "1"
    per_page: str = "100"


def routes(home: CometHome) -> dict[str, Handler]:
    """The answer of a member whose CometBFT runs."""

    def answer(_sender: bytes, body: bytes) -> bytes:
        return _ask_own(home.rpc_socket, codec.decode(body, LightAsked))

    return {ROUTE: answer}


def ask(peer: Peer, asked: LightAsked) -> bytes:
    """A member's answer: its CometBFT's JSON-RPC answer, id and all. Raises the peer's Problem."""
    return peer.call(ROUTE, codec.encode(asked))


class LightDoor:
    """A Unix socket that leads to one member's light route; from its constructor to `close`."""

    def __init__(self, path: Path, peer: Peer) -> None:
        """`path`: in a folder that its owner alone may enter; whatever is there is replaced."""
        path.unlink(missing_ok=True)
        self._server = _Server(path, peer)
        self._path = path
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="light", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """As CometBFT's settings name it."""
        return f"unix://{self._path}"

    def close(self) -> None:
        """Take the socket away; lines end with CometBFT."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


class _Server(ThreadingUnixStreamServer):
    """A thread a line; CometBFT opens a few."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, peer: Peer) -> None:
        self.peer = peer
        super().__init__(str(path), _Line)
        path.chmod(0o600)


class _Line(BaseHTTPRequestHandler):
    """`POST /` with one call; anything else ends the line."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: _Server

    def do_POST(self) -> None:
        """Carry one question there and its answer back."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > QUESTION_BYTES_MAX:
            self._end(400)
            return
        try:
            data = self._carry(self.rfile.read(int(length)))
        except (Problem, codec.Malformed, msgspec.DecodeError, ValueError) as error:
            reason = error.name if isinstance(error, Problem) else "QuestionMalformed"
            log.warning("light.no_answer", member=self.server.peer.member.hex(), reason=reason)
            self._end(502)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def address_string(self) -> str:
        """Nobody: a Unix socket's other end has no name."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing: what went wrong stands in the log already."""

    def _carry(self, question: bytes) -> bytes:
        call = msgspec.json.decode(question, type=Call)
        params = call.params
        asked = LightAsked(
            height=int(params.height),
            method=call.method,
            page=int(params.page),
            per_page=int(params.per_page),
        )
        answer = msgspec.json.decode(ask(self.server.peer, asked), type=dict[str, msgspec.Raw])
        answer["id"] = msgspec.Raw(str(call.id).encode())
        return msgspec.json.encode(answer)

    def _end(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _ask_own(path: Path, asked: LightAsked) -> bytes:
    words: dict[str, int] = {"height": asked.height} if asked.height else {}
    if asked.method == "validators":
        words |= {"page": asked.page, "per_page": asked.per_page}
    try:
        data = fetch(path, asked.method, words, bytes_max=ANSWER_BYTES_MAX + 1)
    except (OSError, HTTPException) as error:
        raise Problem(
            Category.UNAVAILABLE,
            "CometDown",
            f"this member's CometBFT does not answer ({type(error).__name__}); ask another member",
        ) from None
    if len(data) > ANSWER_BYTES_MAX:
        raise Problem(
            Category.TOO_LARGE,
            "LightTooLarge",
            f"expected CometBFT's answer to have at most {ANSWER_BYTES_MAX} bytes",
        )
    return data
