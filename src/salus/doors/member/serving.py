"""
Several doors served in one process and one event loop, until a signal says stop.

Each has its own port; one of them may be behind TLS. If one cannot open, none stays.
"""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from salus.base.errors import Fault
from salus.base.signing import SigningKey
from salus.doors.http.serve import HEAD_BYTES_MAX, HEAD_MS_MAX
from salus.doors.http.traced import traced
from salus.node import tls
from salus.node.listening import check_free

OPEN_S = 10.0
"""How long a door may take to answer itself."""

LOOK_S = 0.05


@dataclass(frozen=True)
class Shown:
    """What a door behind TLS shows."""

    service: SigningKey
    certificate: bytes
    """DER, of that key."""


@dataclass(frozen=True)
class Opening:
    """An app and where it listens."""

    app: Litestar
    host: str
    port: int
    shown: Shown | None = None
    """None: plain HTTP."""


def serve_all(doors: Sequence[Opening], started: Callable[[], None]) -> None:
    """
    Serve until SIGINT or SIGTERM; `started` is called once all doors answer.

    Raises Problem PortInUse before anything is opened, Fault if a door does not come up.
    """
    for door in doors:
        check_free(door.host, door.port)
    asyncio.run(_serve(doors, started))


async def _serve(doors: Sequence[Opening], started: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    with ExitStack() as files:
        servers = [_server(door, files) for door in doors]
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, servers)
        running = [asyncio.ensure_future(server.serve()) for server in servers]
        try:
            for door in doors:
                await _answers(door)
        except BaseException:
            _stop(servers)
            await asyncio.gather(*running, return_exceptions=True)
            raise
    started()
    await asyncio.gather(*running)


def _server(door: Opening, files: ExitStack) -> Server:
    certificate = key = None
    if door.shown is not None:
        read = files.enter_context(tls.server_files(door.shown.service, door.shown.certificate))
        certificate, key = read.certificate, read.key
    return Server(
        traced(door.app),
        address=door.host,
        port=door.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_MS_MAX, max_buffer_size=HEAD_BYTES_MAX
        ),
        websockets=False,
        log_enabled=False,
        backlog=1024,
        ssl_cert=certificate,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls13,
    )


def _stop(servers: Sequence[Server]) -> None:
    for server in servers:
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it so


async def _answers(door: Opening) -> None:
    """Wait until the door takes lines, and for TLS shows what it should; raises Fault."""
    context = None if door.shown is None else tls.client_context([door.shown.certificate])
    loop = asyncio.get_running_loop()
    end_s = loop.time() + OPEN_S
    while not await loop.run_in_executor(None, _takes_lines, door, context):
        if loop.time() > end_s:
            raise Fault(f"the door on port {door.port} did not open: see the log, start again")
        await asyncio.sleep(LOOK_S)


def _takes_lines(door: Opening, context: ssl.SSLContext | None) -> bool:
    try:
        with socket.create_connection((door.host, door.port), timeout=OPEN_S) as line:
            if context is not None:
                with context.wrap_socket(line):
                    pass
    except OSError:
        return False
    return True
