"""Ports in a row that nobody listens on, for layouts that count upwards."""

import os
import socket
from contextlib import ExitStack

FIRST = 20_000
LAST = 32_000
"""Below the ports that the kernel gives away by itself (Linux: 32768 and up)."""


def free_row(count: int) -> int:
    """The first of `count` ports in a row that are free now; each process looks elsewhere first."""
    rows = range(FIRST, LAST - count, count)
    begin = os.getpid() % len(rows)
    order: list[int] = [*rows[begin:], *rows[:begin]]
    for first in order:
        if _all_free(range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")


def _all_free(ports: range) -> bool:
    with ExitStack() as opened:
        try:
            for port in ports:
                opened.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            return False
    return True
