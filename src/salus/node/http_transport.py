"""
Carries signed requests to one member's peer door over HTTPS, and its answers back.

A line is used only after the peer showed a pinned certificate, and kept for the next call. A call
has one deadline, whatever the peer sends and however slowly; its answer has a bound.

The line leads to the member's address; the host in the request is the one that was signed, the
member's own name (`peer_target.py`).
"""

import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, urlsplit

import structlog

from salus.base.errors import Category, Problem
from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.node import tls
from salus.node.peers import peer_down
from salus.node.signed_request import Request
from salus.node.tracing import traces

log = structlog.get_logger()

OCTETS = "application/octet-stream"
"""The media type of calls and of a door's answers."""

PORT = 443
"""Where an address without a port leads (RFC 9110 §4.2.2)."""

TIMEOUT_S = 45.0
"""One call: an orderer may hold a transaction for 30 s; the rest is for the bytes."""

CONNECT_S = 3.0
"""To open a line, handshake included: members answer at once or are down."""

IDLE_S = 5.0
"""An unused line is given up before the peer's door does so (after 10 s)."""

IDLE_MAX = 8
"""Unused lines kept to one peer."""

DOWN_S = 1.0
"""After a line took all of CONNECT_S and was not open, calls fail at once for so long."""


class HttpTransport:
    """A `peers.Transport`; many threads call at once."""

    def __init__(
        self, url: str, certificates: Sequence[bytes], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """
        Know a peer; nothing is opened yet.

        `url`: `https://host[:port][/path]` as in its row; `certificates`: DER, those it may show.
        """
        self._url = urlsplit(url)
        self._certificates = tuple(certificates)
        self._timeout_s = timeout_s
        self._context = tls.client_context(certificates)
        self._context.sslsocket_class = _DeadlineSocket
        self._lock = threading.Lock()
        self._idle: list[tuple[float, _Line]] = []
        self._down_until_s = 0.0
        self._warned_of = ""

    def __call__(self, request: Request) -> bytes:
        """
        Carry a request; raises Problem PeerDown, PeerUntrusted, CertificateExpired.

        A call that failed may have been answered over there: the caller asks anew, with a new
        nonce.
        """
        line = self._kept() or self._open()
        try:
            line.set_deadline(time.monotonic() + self._timeout_s)
            data, stays = self._exchange(line, request)
        except (OSError, HTTPException) as error:
            line.close()
            raise _down(self._url, type(error).__name__) from None
        except BaseException:
            line.close()
            raise
        if stays:
            self._keep(line)
        else:
            line.close()
        return data

    def close(self) -> None:
        """Close the unused lines."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line in idle:
            line.close()

    def _exchange(self, line: "_Line", request: Request) -> tuple[bytes, bool]:
        """The answer's body, and whether the line stays open."""
        target = urlsplit(request.target)
        path = f"{self._url.path.rstrip('/')}{target.path}?{target.query}"
        headers = {"host": target.netloc, "content-type": OCTETS, **dict(request.headers)}
        headers |= traces.headers()
        line.request(request.method, path, request.body, headers)
        response = line.getresponse()
        data = _body(response)
        if response.status != 200 and response.getheader("content-type") != OCTETS:
            raise _down(self._url, f"HTTP status {response.status}")
        return data, not response.will_close

    def _kept(self) -> "_Line | None":
        """An unused line that is still open, or None."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since_s, line = self._idle.pop()
            if time.monotonic() - since_s < IDLE_S and line.is_quiet():
                return line
            line.close()

    def _keep(self, line: "_Line") -> None:
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append((time.monotonic(), line))
                return
        line.close()

    def _open(self) -> "_Line":
        if time.monotonic() < self._down_until_s:
            raise _down(self._url, "no answer a moment ago")
        line = _Line(self._url, self._context)
        try:
            line.connect()
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error.verify_code) from None
        except OSError as error:
            line.close()
            if isinstance(error, TimeoutError):
                self._down_until_s = time.monotonic() + DOWN_S
            raise _down(self._url, type(error).__name__) from None
        # OpenSSL took it as trusted; that it is one of the pinned, byte for byte, is ours to see.
        if line.certificate() not in self._certificates:
            line.close()
            raise self._untrusted(0)
        return line

    def _untrusted(self, verify_code: int) -> Problem:
        shown = self._shown()
        if verify_code in _EXPIRED:
            return Problem(
                Category.UNVERIFIED,
                "CertificateExpired",
                f"{_place(self._url)}: expected a certificate that counts now, found "
                f"{'another' if shown is None else tls.period(shown)}. Compare both clocks; if it "
                "is over, its operator restarts the node, which makes a new one",
            )
        expected = " or ".join(map(tls.fingerprint, self._certificates)) or "none known"
        found = "one that could not be looked at" if shown is None else tls.fingerprint(shown)
        if found != self._warned_of:
            self._warned_of = found
            log.warning("peer.untrusted", expected=expected, found=found)
        return Problem(
            Category.UNVERIFIED,
            "PeerUntrusted",
            f"{_place(self._url)}: expected certificate {expected}, found {found}. Ask the member "
            "by another way which is right; if it is the new one, wait for the ledger's row or put "
            "it under [[peers]]; else somebody stands in between",
        )

    def _shown(self) -> bytes | None:
        """The certificate that stands there, DER, looked at again for the message."""
        try:
            pem = ssl.get_server_certificate(_address(self._url), timeout=CONNECT_S)
        except OSError:
            return None
        return ssl.PEM_cert_to_DER_cert(pem)


_EXPIRED = frozenset({9, 10})
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


class _DeadlineSocket(ssl.SSLSocket):
    """Each read and write may take what is left of the call's time, not a timeout of its own."""

    deadline_s = math.inf

    def send(self, *arguments: Any, **named: Any) -> int:
        """Send, in time."""
        self._hurry()
        return super().send(*arguments, **named)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Receive, in time."""
        self._hurry()
        return super().recv_into(*arguments, **named)

    def _hurry(self) -> None:
        if self.deadline_s < math.inf:
            left_s = self.deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.settimeout(left_s)


class _Line(HTTPConnection):
    """One HTTP/1.1 connection over TLS."""

    sock: _DeadlineSocket
    auto_open = 0
    """A line that broke is not opened again behind the caller's back."""

    def __init__(self, url: SplitResult, context: ssl.SSLContext) -> None:
        super().__init__(*_address(url))
        self._context = context

    def connect(self) -> None:
        """Open and shake hands; raises OSError, of which `ssl.SSLError` is one."""
        plain = socket.create_connection((self.host, self.port), CONNECT_S)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = self._context.wrap_socket(plain)  # type: ignore[assignment]  # the context's own class
        except BaseException:
            plain.close()
            raise

    def certificate(self) -> bytes | None:
        """What the peer showed, DER."""
        return self.sock.getpeercert(binary_form=True)

    def set_deadline(self, deadline_s: float) -> None:
        """When, on the steady clock, the call in hand ends."""
        self.sock.deadline_s = deadline_s

    def is_quiet(self) -> bool:
        """Whether nothing came on the unused line: what comes there is its end."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


def _body(response: HTTPResponse) -> bytes:
    stated = response.length
    if stated is not None and stated > PEER_CALL_BYTES_MAX:
        raise peer_down(f"the answer states over {PEER_CALL_BYTES_MAX} bytes")
    data = response.read(PEER_CALL_BYTES_MAX + 1)
    if len(data) > PEER_CALL_BYTES_MAX:
        raise peer_down(f"the answer has over {PEER_CALL_BYTES_MAX} bytes")
    if stated is not None and len(data) != stated:
        raise peer_down(f"the answer ended after {len(data)} of {stated} bytes")
    return data


def _down(url: SplitResult, why: str) -> Problem:
    return peer_down(f"{_place(url)} does not answer ({why}); see whether its node runs")


def _place(url: SplitResult) -> str:
    host, port = _address(url)
    return f"{host}:{port}"


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or PORT
