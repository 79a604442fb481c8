"""
Serving the app in this process, where the nodes live, until a signal says stop.

granian's embedded server runs in the event loop of the calling thread; on SIGINT or SIGTERM it
takes no new connections, and the caller closes its nodes after `serve` returns.
"""

import asyncio
import gc
import signal
from collections.abc import Callable

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

HEAD_BYTES_MAX = 32 * 1024
"""What the server buffers of a connection; the exact bound on a head is `heads`'s."""

HEAD_MS_MAX = 10_000
"""How long a head may take to come."""

COLLECT_AFTER = 100_000
"""Objects made, less those freed, between searches for cycles; the interpreter's own number is 700.

A waiting request holds a dozen objects that no cycle keeps alive, and a search walks through all
that a node remembers: with 100 clients a quarter of the interpreter's time went there (measured).
"""


def serve(
    app: Litestar,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    started: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `started` is called once the port is open."""
    calm_collector()
    asyncio.run(_serve(app, host, port, started))


def calm_collector() -> None:
    """Let the interpreter search for cycles rarely, and never among what is there by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)


async def _serve(app: Litestar, host: str, port: int, started: Callable[[], None] | None) -> None:
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_MS_MAX, max_buffer_size=HEAD_BYTES_MAX
        ),
        websockets=False,
        log_enabled=False,
        backlog=1024,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    if started is not None:
        loop.call_soon(started)
    await server.serve()
