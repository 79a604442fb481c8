"""
Write to a peer from many clients at once, and time each transaction.

Clients are threads spread over one process a core: threads alone would share one interpreter lock,
and a process a client would spend the cores on switching. Every client is connected before the
first one writes, so that connecting is not measured.
"""

import multiprocessing
import os
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection
from typing import Protocol

from bench.peers.peer import KEY_BYTES, Result, summarize

Row = tuple[bytes, bytes]
"""Key and payload, both random."""


class Writer(Protocol):
    """One client's connection."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write one transaction; on disk when this returns."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the clients together."""

    clients: int
    """Connections that write at once; 1 or more."""

    seconds: float
    """No transaction starts later than this after the first."""

    payload_bytes: int
    """Length of each payload."""

    batch: int
    """Rows a transaction."""


@dataclass(frozen=True, slots=True)
class _Sample:
    start_ns: int
    end_ns: int
    latencies_ns: "array[int]"


def run_load(connect: Callable[[], Writer], load: Load) -> Result:
    """
    Apply the load and sum it up.

    `connect` runs in other processes, once a client, and so must be picklable. Raises `EOFError` if
    a client fails; its error is then on stderr.
    """
    context = multiprocessing.get_context("spawn")
    pipes = []
    for clients in _shares(load.clients, os.cpu_count() or 1):
        ours, theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, connect, clients, load), daemon=True).start()
        theirs.close()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send(None)
    samples: list[_Sample] = [sample for pipe in pipes for sample in pipe.recv()]
    return summarize(
        list(chain.from_iterable(sample.latencies_ns for sample in samples)),
        batch=load.batch,
        seconds=(max(s.end_ns for s in samples) - min(s.start_ns for s in samples)) / 1e9,
    )


def _shares(clients: int, cores: int) -> list[int]:
    """Split the clients evenly over at most `cores` processes, none without a client."""
    processes = min(clients, cores)
    return [(clients + i) // processes for i in range(processes)]


def _work(pipe: Connection, connect: Callable[[], Writer], clients: int, load: Load) -> None:
    """Tell that all clients are connected, wait for the word, write, and send the samples."""
    writers = [connect() for _ in range(clients)]
    pipe.send(None)
    pipe.recv()
    with ThreadPoolExecutor(clients) as threads:
        samples = list(threads.map(lambda writer: _write_for(writer, load), writers))
    for writer in writers:
        writer.close()
    pipe.send(samples)


def _write_for(writer: Writer, load: Load) -> _Sample:
    latencies_ns = array("Q")
    start_ns = now_ns = time.monotonic_ns()
    until_ns = start_ns + int(load.seconds * 1e9)
    while now_ns < until_ns:
        rows = _random_rows(load)
        began_ns = time.monotonic_ns()
        writer.write(rows)
        now_ns = time.monotonic_ns()
        latencies_ns.append(now_ns - began_ns)
    return _Sample(start_ns, now_ns, latencies_ns)


def _random_rows(load: Load) -> list[Row]:
    return [(os.urandom(KEY_BYTES), os.urandom(load.payload_bytes)) for _ in range(load.batch)]
