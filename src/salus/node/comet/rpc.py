"""
CometBFT's RPC over its Unix socket: hand over transactions (JSON-RPC 2.0), ask a question (GET).

`broadcast_tx_async` returns once the transaction is on its way to CheckTx. The door has checked it
before, so nothing is lost by not waiting; `broadcast_tx_sync` waits for the ABCI client's 20 ms
timer for each transaction of a batch: 150 instead of 1,700 transactions a second were measured.
"""

import base64
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from salus.base.errors import Category, Problem

TIMEOUT_S = 10.0

UNANSWERED = (OSError, HTTPException, msgspec.DecodeError)
"""What `ask` raises while CometBFT is down, starts, or says something else."""

T = TypeVar("T")


class RpcError(msgspec.Struct):
    """CometBFT's own "no": the mempool is full, or has seen the transaction."""

    code: int
    message: str = ""
    data: str = ""


class _Answer(msgspec.Struct):
    id: int
    error: RpcError | None = None


_DECODER: msgspec.json.Decoder[list[_Answer] | _Answer] = msgspec.json.Decoder(
    list[_Answer] | _Answer
)
"""CometBFT answers a batch of one without the list around it."""


class Answer(msgspec.Struct):
    """Of any method; an error has no result."""

    result: msgspec.Raw


def ask(path: Path, method: str, kind: type[T], timeout_s: float = TIMEOUT_S, **words: int) -> T:
    """
    Ask one question, on a connection of its own; any thread.

    `path`: of the socket; `kind`: of the result; `words`: the method's parameters. Raises
    `UNANSWERED`.
    """
    told = msgspec.json.decode(fetch(path, method, words, timeout_s), type=Answer)
    return msgspec.json.decode(told.result, type=kind)


def fetch(
    path: Path,
    method: str,
    words: Mapping[str, int],
    timeout_s: float = TIMEOUT_S,
    bytes_max: int | None = None,
) -> bytes:
    """The answer's bytes, at most `bytes_max` of them; raises OSError, HTTPException."""
    with closing(UnixConnection(path, timeout_s)) as http:
        http.request("GET", f"/{method}?{urlencode(words)}")
        return http.getresponse().read(bytes_max)


class RpcClient:
    """One connection's worth of calls; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """`path`: of the socket; need not be there yet."""
        self._http = UnixConnection(path)

    def broadcast(self, envelopes: Sequence[bytes]) -> list[RpcError | None]:
        """Hand over up to a batch; None or an error each, in order. Raises Problem CometDown."""
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(data).decode()},
            }
            for number, data in enumerate(envelopes)
        ]
        answers = {one.id: one for one in self._post(calls)}
        if answers.keys() != set(range(len(envelopes))):
            raise _down("one answer a transaction expected")
        return [answers[number].error for number in range(len(envelopes))]

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, body: object) -> list[_Answer]:
        try:
            self._http.request(
                "POST", "/", msgspec.json.encode(body), {"Content-Type": "application/json"}
            )
            answers = _DECODER.decode(self._http.getresponse().read())
        except (OSError, HTTPException, msgspec.DecodeError) as error:
            self._http.close()
            raise _down(type(error).__name__) from None
        return answers if isinstance(answers, list) else [answers]


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket; connects anew when needed."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        """`path`: of the socket; `timeout_s`: of each read and write."""
        super().__init__("cometbft", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket; http.client calls this."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _down(why: str) -> Problem:
    return Problem(
        Category.UNAVAILABLE, "CometDown", f"CometBFT does not answer ({why}); it is started again"
    )
