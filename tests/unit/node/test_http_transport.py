"""The line to a peer: who may answer, how long, how much; and how the directory finds it."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from salus.base.errors import Problem
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.modules.members.messages import AddKey, RetireKey, SetAddress
from salus.modules.members.rules import add_key_bytes
from salus.node import http_transport, signed_request, tls
from salus.node.directory import RELOAD_S, Directory, Reached
from salus.node.http_transport import HttpTransport
from salus.node.peer_target import NO_DOOR, Target
from salus.node.ports import RealClock
from salus.node.signed_request import Request
from tests.support.ledgers import Chain, FakeClock, add_block

KEY, OTHER = SigningKey(bytes(32)), SigningKey(bytes([1]) * 32)
NOW_MS = RealClock().now_ms()
MINE, THEIRS = (tls.make_certificate(key, bytes(16), NOW_MS) for key in (KEY, OTHER))
SERVICE = 4
TARGET = Target(bytes(16), bytes(32), "ask", NO_DOOR, 7)
PLACE = TARGET.uri.partition(".salus.alt")[2].encode()

Answer = Callable[[ssl.SSLSocket], None]


class Server:
    """A TLS server of one certificate; each line is given to `answer` in a thread."""

    def __init__(
        self, key: SigningKey, certificate: bytes, answer: Answer, **tls_options: int
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, value in tls_options.items():
            setattr(self._context, name, value)
        with tls.server_files(key, certificate) as files:
            self._context.load_cert_chain(files.certificate, files.key)
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.lines = 0
        self.port = self._listening.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more lines."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self.lines += 1
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError), self._context.wrap_socket(line, server_side=True) as secure:
            secure.settimeout(10)
            self._answer(secure)


def echo(line: ssl.SSLSocket) -> None:
    """Answer each call with its own body, and keep the line."""
    with line.makefile("rwb") as stream:
        while (body := read_call(stream)) is not None:
            stream.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            stream.flush()


def read_call(stream: IO[bytes]) -> bytes | None:
    """A call's body; None at the line's end."""
    head = []
    while (one := stream.readline()) not in (b"\r\n", b""):
        head.append(one)
    if not head:
        return None
    assert PLACE == head[0].split(b" ")[1].removeprefix(b"/in")
    size = next(int(one.split(b":")[1]) for one in head if one.startswith(b"Content-Len"))
    return stream.read(size)


def raw(*parts: bytes, pause_s: float = 0.0) -> Answer:
    """Answer a call with these bytes, one part after another."""

    def answer(line: ssl.SSLSocket) -> None:
        with line.makefile("rwb") as stream:
            read_call(stream)
        for part in parts:
            line.sendall(part)
            time.sleep(pause_s)

    return answer


@contextmanager
def serving(answer: Answer = echo, certificate: bytes = MINE, **options: int) -> Iterator[Server]:
    """A server for one test."""
    key = OTHER if tls.certificate_key(certificate) == OTHER.public else KEY
    server = Server(key, certificate, answer, **options)
    try:
        yield server
    finally:
        server.close()


def request(body: bytes) -> Request:
    """A signed request to the member that the servers play."""
    nonce = bytes(16)
    return signed_request.sign(KEY, "POST", TARGET.uri, body, created_s=1, nonce=nonce)


def call_once(body: bytes, url: str, pinned: Sequence[bytes], **options: float) -> bytes:
    """One call over a transport of its own."""
    with closing(HttpTransport(url, pinned, **options)) as carry:
        return carry(request(body))


def test_a_call_is_carried_and_the_line_kept() -> None:
    """Byte for byte, many times over one line; below a path if the address has one."""
    with serving() as server:
        carry = HttpTransport(server.url, [MINE])
        for body in (b"", b"\x00\xff", bytes(1_000_000)):
            assert body == carry(request(body))
        assert b"x" == call_once(b"x", server.url + "/in/", [MINE])
        carry.close()

    assert 2 == server.lines


def test_what_arrives_is_what_was_signed() -> None:
    """The fields once each, the member's own name as host, and the body: the signature holds."""
    heads: list[list[bytes]] = []

    def answer(line: ssl.SSLSocket) -> None:
        with line.makefile("rwb") as stream:
            heads.append(list(iter(stream.readline, b"\r\n")))
            stream.read(4)
            stream.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with serving(answer) as server:
        call_once(b"body", server.url, [MINE])
    first, *rest = [one.decode().rstrip("\r\n") for one in heads[0]]
    method, path, version = first.split(" ")
    fields = tuple(
        (name.lower(), value) for name, _, value in (one.partition(": ") for one in rest)
    )
    hosts = [value for name, value in fields if name == "host"]
    arrived = Request(method, f"https://{hosts[0]}{path}", fields, b"body")

    assert ("HTTP/1.1", 1, TARGET.uri) == (version, len(hosts), arrived.target)
    stated = signed_request.read(arrived)
    signed_request.check_digest(arrived, stated)
    signed_request.check_signature(arrived, stated, KEY.public)


def test_a_no_of_the_door_comes_back() -> None:
    """With its HTTP status, and told from a proxy's by the media type."""
    no = b"HTTP/1.1 409 X\r\ncontent-type: application/octet-stream\r\ncontent-length: 2\r\n\r\nno"
    with serving(raw(no)) as server:
        assert b"no" == call_once(b"x", server.url, [MINE])


def test_threads_do_not_share_a_line() -> None:
    """Calls at once get each its own answer."""
    with serving() as server:
        carry = HttpTransport(server.url, [MINE])
        wrong: list[bytes] = []

        def call(number: int) -> None:
            for _ in range(20):
                body = bytes([number]) * 100
                if carry(request(body)) != body:
                    wrong.append(body)

        threads = [threading.Thread(target=call, args=(one,)) for one in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        carry.close()

    assert [] == wrong
    assert server.lines <= 8


def test_a_line_the_peer_closed_is_not_used_again() -> None:
    """A restart of the peer costs no call."""
    closing = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    with serving(closing) as server:
        carry = HttpTransport(server.url, [MINE])
        for _ in range(3):
            assert b"ok" == carry(request(b"x"))
            time.sleep(0.05)
        carry.close()

    assert 3 == server.lines


def test_either_of_two_certificates_is_the_member() -> None:
    """While one follows the other."""
    for certificate in (MINE, THEIRS):
        with serving(certificate=certificate) as server:
            assert b"x" == call_once(b"x", server.url, [MINE, THEIRS])


UNTRUSTED = {
    "a stranger's": (THEIRS, "PeerUntrusted"),
    "another of the same key": (
        tls.make_certificate(KEY, bytes(16), NOW_MS, days=30),
        "PeerUntrusted",
    ),
    "expired": (tls.make_certificate(KEY, bytes(16), NOW_MS - 10 * tls.DAY_MS, 5), "Expired"),
    "not yet valid": (tls.make_certificate(KEY, bytes(16), NOW_MS + tls.DAY_MS), "Expired"),
}


@pytest.mark.parametrize(("shown", "name"), UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_no_byte_is_sent_to_another_certificate(shown: bytes, name: str) -> None:
    """The no names what was expected and what was found, so that operators can compare."""
    heard: list[bytes] = []
    pinned = shown if name == "Expired" else MINE
    with serving(lambda line: heard.append(line.recv(1)), certificate=shown) as server:
        with pytest.raises(Problem, match=name) as no:
            call_once(b"secret", server.url, [pinned])
        time.sleep(0.1)

    assert b"" == b"".join(heard)
    if name == "PeerUntrusted":
        assert tls.fingerprint(MINE) in no.value.text
        assert tls.fingerprint(shown) in no.value.text
    else:
        assert tls.period(shown) in no.value.text


def test_nobody_is_trusted_without_a_certificate() -> None:
    """An address alone is not enough."""
    with serving() as server, pytest.raises(Problem, match="none known"):
        call_once(b"x", server.url, [])


def test_tls_1_2_is_not_spoken() -> None:
    """A peer that cannot do better is down."""
    with (
        serving(maximum_version=ssl.TLSVersion.TLSv1_2) as server,
        pytest.raises(Problem, match="PeerDown"),
    ):
        call_once(b"x", server.url, [MINE])


def test_plain_http_is_not_spoken() -> None:
    """Whoever answers without TLS gets nothing."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        line, _ = listening.accept()
        heard.append(line.recv(65_536))
        line.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        line.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(Problem, match="PeerDown"):
        call_once(b"secret", f"https://127.0.0.1:{listening.getsockname()[1]}", [MINE])
    thread.join()
    listening.close()

    assert b"secret" not in heard[0]


HOSTILE = {
    "states too much": (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % 10**12,),
    "no HTTP": (b"SSH-2.0-x\r\n",),
    "ends early": (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",),
    "nothing": (),
    "an endless header": (b"HTTP/1.1 200 OK\r\n", *[b"a: %b\r\n" % (b"x" * 60_000)] * 200),
    "another status": (b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n",),
    "a redirect": (b"HTTP/1.1 307 X\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n",),
}


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_a_peer_that_is_down(parts: tuple[bytes, ...]) -> None:
    """Whatever comes, the caller gets the one Problem it knows how to live with."""
    with serving(raw(*parts)) as server, pytest.raises(Problem, match="PeerDown"):
        call_once(b"x", server.url, [MINE])


def test_an_answer_without_length_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunked or until the end of the line: no more is read than an answer may have."""
    assert PEER_CALL_BYTES_MAX == http_transport.PEER_CALL_BYTES_MAX
    monkeypatch.setattr(http_transport, "PEER_CALL_BYTES_MAX", 1_000)
    endless = raw(b"HTTP/1.1 200 OK\r\n\r\n", *[bytes(500)] * 20)
    with serving(endless) as server, pytest.raises(Problem, match="over 1000 bytes"):
        call_once(b"x", server.url, [MINE])


def test_a_slow_answer_ends_at_the_deadline() -> None:
    """A byte now and then does not hold the caller: the whole call has one deadline."""
    dripping = raw(*[b"H"] * 200, pause_s=0.05)
    with serving(dripping) as server:
        started_s = time.monotonic()
        with pytest.raises(Problem, match="PeerDown"):
            call_once(b"x", server.url, [MINE], timeout_s=0.4)

    assert time.monotonic() - started_s < 3


def test_a_silent_peer_is_not_waited_for_with_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers no handshake costs one wait; then calls fail at once for a second."""
    monkeypatch.setattr(http_transport, "CONNECT_S", 0.2)
    monkeypatch.setattr(http_transport, "DOWN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        carry = HttpTransport(f"https://127.0.0.1:{silent.getsockname()[1]}", [MINE])
        for text in ("TimeoutError", "a moment ago"):
            with pytest.raises(Problem, match=text):
                carry(request(b"x"))
        time.sleep(0.35)
        with pytest.raises(Problem, match="TimeoutError"):
            carry(request(b"x"))


def test_a_peer_that_starts_is_reached_at_once() -> None:
    """A refused line is no wait, so it is tried again with the next call."""
    with serving() as server:
        pass
    for _ in range(2):
        with pytest.raises(Problem, match="ConnectionRefusedError"):
            call_once(b"x", server.url, [MINE])


class Members:
    """A ledger of two members, and the first one's directory."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=2)
        self.ledger = self.chain.open(folder)
        self.clock = FakeClock()
        self.other = self.chain.members[1]
        self.nonce = 0

    def certificate(self, key: SigningKey | None = None) -> bytes:
        """One of the other member's, valid now."""
        return tls.make_certificate(key or self.other.service, self.other.id, NOW_MS)

    def do(self, *messages: object) -> None:
        """The other member's transaction."""
        envelope = self.chain.sign(1, *messages, nonce=self.nonce)  # type: ignore[arg-type]  # messages
        self.nonce += 1
        assert [0] == [one.code for one in add_block(self.ledger, envelope)]

    def directory(self, entry: Reached | None = None) -> Directory:
        """As the first member has it."""
        found = Directory({} if entry is None else {self.other.id: entry}, self.clock)
        found.follow(self.ledger.view)
        return found


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Members]:
    """Two members."""
    two = Members(tmp_path)
    yield two
    two.ledger.close()


def test_the_ledgers_row_counts_before_the_settings(two: Members) -> None:
    """Once it names certificates; an operator's overruling entry counts before it."""
    entry = Reached("https://entry.example", (MINE,))
    directory = two.directory(entry=entry)

    assert entry == directory.reached(two.other.id)
    certificate = two.certificate()
    two.do(SetAddress(address="https://row.example", certificates=[certificate]))
    assert Reached("https://row.example", (certificate,)) == directory.reached(two.other.id)
    overruling = Reached("https://entry.example", (MINE,), overrules_ledger=True)
    assert overruling == two.directory(entry=overruling).reached(two.other.id)


def test_a_retired_keys_certificate_counts_no_more(two: Members) -> None:
    """Though it still stands in the row; so does what a member put there that is none."""
    following = SigningKey.random()
    proof = following.sign(
        add_key_bytes(two.chain.network, two.other.id, SERVICE, following.public)
    )
    two.do(AddKey(use=SERVICE, key=following.public, proof=proof))
    both = [two.certificate(), two.certificate(following)]
    two.do(SetAddress(address="https://row.example", certificates=both))
    directory = two.directory()
    assert tuple(both) == directory.reached(two.other.id).certificates  # type: ignore[union-attr]  # there
    two.do(RetireKey(use=SERVICE, key=two.other.service.public))

    assert (both[1],) == directory.reached(two.other.id).certificates  # type: ignore[union-attr]  # there


def test_a_change_of_address_is_followed(two: Members) -> None:
    """Within seconds, by the transport that was handed out before."""
    certificate = two.certificate()
    key = two.other.service
    first, second = (Server(key, certificate, echo) for _ in range(2))
    directory = two.directory()
    carry = directory.transport(two.other.id)
    with pytest.raises(Problem, match="no address of this member"):
        carry(request(b"x"))
    for server in (first, second):
        two.do(SetAddress(address=server.url, certificates=[certificate]))
        two.clock.pass_ms(int(RELOAD_S * 1000))
        assert b"x" == carry(request(b"x"))
    directory.close()
    first.close()
    second.close()

    assert (1, 1) == (first.lines, second.lines)
    assert RELOAD_S <= 10
