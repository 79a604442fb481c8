"""
Clients of the web door: keep-alive sockets in one process, requests made before the clock starts.

Each connection sends its next envelope when the last one's durable answer has come. A request is
one `send`, an answer one or two `recv`: the leanest client, so that it is not what is measured.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence

from bench.peers.peer import Result, summarize

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_PART_BYTES = 65_536
_DONE = b'"code":0'


class RequestFailed(Exception):
    """An envelope was not committed with code 0; the text is the answer's head."""


def request_of(envelope: bytes) -> bytes:
    """The bytes that hand in one envelope and wait for its block."""
    head = (
        "POST /v1/transactions?wait=committed HTTP/1.1\r\nhost: bench\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {len(envelope)}\r\n\r\n"
    )
    return head.encode() + envelope


def run_load(port: int, envelopes: Sequence[bytes], clients: int, seconds: float) -> Result:
    """
    Hand envelopes in from so many connections; none starts later than `seconds` after the first.

    Raises RequestFailed.
    """
    requests = iter([request_of(one) for one in envelopes])
    with selectors.DefaultSelector() as selector:
        connections = [_Connection(port) for _ in range(clients)]
        start_ns = time.monotonic_ns()
        until_ns = start_ns + int(seconds * 1e9)
        for one in connections:
            selector.register(one.socket, selectors.EVENT_READ, one)
            one.send(next(requests))
        latencies_ns: list[int] = []
        running = clients
        while running:
            for key, _ in selector.select():
                connection: _Connection = key.data
                if not connection.receive():
                    continue
                now_ns = time.monotonic_ns()
                latencies_ns.append(now_ns - connection.began_ns)
                request = next(requests, None) if now_ns < until_ns else None
                if request is None:
                    running -= 1
                else:
                    connection.send(request)
        spent_s = (time.monotonic_ns() - start_ns) / 1e9
        for one in connections:
            one.socket.close()
    return summarize(latencies_ns, batch=1, seconds=spent_s)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began_ns = 0
        self._answer = b""

    def send(self, request: bytes) -> None:
        self.began_ns = time.monotonic_ns()
        self._answer = b""
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take in what came; whether the answer is whole."""
        self._answer += self.socket.recv(_PART_BYTES)
        head, end, body = self._answer.partition(_HEAD_END)
        if not end:
            return False
        if len(body) < _body_bytes(head):
            return False
        if _DONE not in body:
            raise RequestFailed(head.split(b"\r\n")[0].decode())
        return True


def _body_bytes(head: bytes) -> int:
    lines: Iterator[bytes] = (line for line in head.lower().split(b"\r\n"))
    return next((int(one[len(_LENGTH) :]) for one in lines if one.startswith(_LENGTH)), 0)
