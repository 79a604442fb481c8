"""
The ABCI socket: a Unix socket that only its owner may open, a thread a connection.

CometBFT opens four connections and pipelines on each: whatever has arrived whole is answered in
order, in one write, `Flush` in its place. A handler that raises ends the node: CometBFT is told by
an exception, then `fail` is called.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

import structlog
from google.protobuf.message import DecodeError

from salus.base.errors import Category, Problem
from salus.node.comet.abci_pb2 import (
    Request,
    RequestCheckTx,
    Response,
    ResponseCheckTx,
    ResponseEcho,
    ResponseException,
    ResponseFlush,
)
from salus.node.comet.frames import FrameReader, frame_all

log = structlog.get_logger()

READ_BYTES = 1024 * 1024
"""At most so much is taken from a connection at once: thousands of transactions to check."""

_YES = Response(check_tx=ResponseCheckTx()).SerializeToString()

PATH_BYTES_MAX = 100
"""Unix sockets have short names: 108 bytes on Linux, 104 elsewhere, with a zero at the end."""


class Handler(Protocol):
    """What answers; each method may be called by several connections at once."""

    def check_txs(self, requests: Sequence[RequestCheckTx]) -> list[ResponseCheckTx]:
        """Answer a run of CheckTx that arrived together, in order."""
        ...

    def answer(self, request: Request) -> Response:
        """Answer anything but CheckTx, Echo and Flush."""
        ...


class AbciServer:
    """Serves from its constructor until `close`."""

    def __init__(self, path: Path, handler: Handler, fail: Callable[[BaseException], None]) -> None:
        """`fail`: called once a handler raised, after the exception went out; ends the process."""
        self._path = path
        self._handler = handler
        self._fail = fail
        self._closing = False
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = _listen(path)
        self._accepting = threading.Thread(target=self._accept, name="abci", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Cut all connections and take the socket away."""
        self._closing = True
        _shut(self._listener)
        with self._lock:
            for connection in self._connections:
                _shut(connection)
        self._accepting.join()
        for thread in self._threads:
            thread.join()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="abci-connection", daemon=True
            )
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._answer_all(connection)
        except OSError as error:
            log.info("abci.connection_lost", reason=type(error).__name__)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer_all(self, connection: socket.socket) -> None:
        reader = FrameReader()
        while data := connection.recv(READ_BYTES):
            try:
                responses = self._answers(reader.feed(data))
            except Exception as error:  # noqa: BLE001 (whatever it is, the node must not go on)
                log.error("abci.failed", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
                told = Response(exception=ResponseException(error=type(error).__name__))
                connection.sendall(frame_all([told.SerializeToString()]))
                self._fail(error)
                _ignore_rest(connection)
                return
            if responses:
                connection.sendall(frame_all(responses))

    def _answers(self, frames: Sequence[bytes]) -> list[bytes]:
        return list(self._answer([_read(frame) for frame in frames]))

    def _answer(self, requests: Sequence[Request]) -> Iterator[bytes]:
        for is_check, run in groupby(requests, lambda one: one.WhichOneof("value") == "check_tx"):
            if is_check:
                checks = [request.check_tx for request in run]
                for answer in self._handler.check_txs(checks):
                    # Nearly all say yes and nothing more.
                    yield Response(check_tx=answer).SerializeToString() if answer.code else _YES
            else:
                yield from (self._answer_one(request).SerializeToString() for request in run)

    def _answer_one(self, request: Request) -> Response:
        match request.WhichOneof("value"):
            case "flush":
                return Response(flush=ResponseFlush())
            case "echo":
                return Response(echo=ResponseEcho(message=request.echo.message))
            case _:
                return self._handler.answer(request)


def _listen(path: Path) -> socket.socket:
    """A new socket of mode 0600; one that a killed process left is replaced."""
    if len(bytes(path)) > PATH_BYTES_MAX:
        raise Problem(
            Category.INVALID,
            "PathTooLong",
            f"expected a socket path of at most {PATH_BYTES_MAX} bytes, found {len(bytes(path))}; "
            "choose a folder with a shorter name",
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)  # before `listen`: until then nobody can connect
    listener.listen()
    return listener


def _shut(connection: socket.socket) -> None:
    """Wake whoever reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()


def _ignore_rest(connection: socket.socket) -> None:
    """Read until CometBFT hangs up: closing earlier could take the last answer from it."""
    while connection.recv(READ_BYTES):
        pass


def _read(frame: bytes) -> Request:
    try:
        return Request.FromString(frame)
    except DecodeError:
        raise Problem(
            Category.MALFORMED, "FrameMalformed", "expected an ABCI 2.0 request"
        ) from None
