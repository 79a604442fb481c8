"""B3: a durable row over the network at 1, 10 and 100 clients, beside three databases."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from bench.envelopes import one_row, sign_all
from bench.http_load import run_load
from bench.loaded import Loaded, Shelf
from bench.network import Network
from bench.peer_arms import arms_there
from bench.peers.arms import Arm
from bench.peers.arms import measure as measure_peer
from bench.peers.peer import PAYLOAD_BYTES, Result
from bench.report import Line
from bench.runs import in_process, in_turns

CLIENTS = (1, 10, 100)
PEERS = ("sqlite", "postgresql", "immudb", "immudb-short-window")
MUST_BEAT = "immudb"
"""The arm Salus is held to be ahead of: as its makers ship it, synced."""

FASTEST_PER_SECOND = 10_000
"""Envelopes are made for this rate."""

Results = dict[int, Result]


def measure(shelf: Shelf, rows: int, seconds: float, times: int) -> Iterator[Line]:
    """B3 on a ledger loaded with so many rows; every run of each arm writes for `seconds`."""
    loaded = shelf.loaded(rows)
    arms: dict[str, Callable[[], Results]] = {"Salus": partial(_salus, loaded, seconds)}
    for arm in arms_there(shelf.folder, PEERS):
        arms[arm.name] = partial(_peer, arm, shelf.folder, seconds)
    results = in_turns(arms, times)
    yield from (_line(clients, rows, results) for clients in CLIENTS)


def _line(clients: int, rows: int, results: dict[str, list[Results]]) -> Line:
    rates = {
        name: median(one[clients].per_second for one in runs) for name, runs in results.items()
    }
    own = [one[clients] for one in results["Salus"]]
    p50_ms, p99_ms = median(one.p50_ms for one in own), median(one.p99_ms for one in own)
    salus = rates.pop("Salus")
    return Line(
        id="B3",
        what=f"HTTP, synced, {clients} clients, {rows:,} rows",
        unit="tx/s",
        salus=salus,
        peers=rates,
        bar=rates.get(MUST_BEAT),
        note=f"latency p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms; the bar is immudb as shipped",
    )


def _peer(arm: Arm, folder: Path, seconds: float) -> Results:
    return dict(measure_peer(arm, folder, clients=CLIENTS, seconds=seconds))


def _salus(loaded: Loaded, seconds: float) -> Results:
    with _server(loaded) as port:
        return {
            clients: in_process(
                _load,
                loaded.network.genesis,
                port,
                run=loaded.next_run(),
                clients=clients,
                seconds=seconds,
            )
            for clients in CLIENTS
        }


def _load(genesis: bytes, port: int, *, run: int, clients: int, seconds: float) -> Result:
    count = int(FASTEST_PER_SECOND * seconds * min(1.0, clients / 50))
    envelopes = sign_all(Network.of(genesis), one_row(PAYLOAD_BYTES, run), range(count), run)
    return run_load(port, envelopes, clients, seconds)


@contextmanager
def _server(loaded: Loaded) -> Iterator[int]:
    """The node in a process of its own; gives its port."""
    genesis = loaded.folder.with_suffix(".genesis")
    genesis.write_bytes(loaded.network.genesis)
    port = _free_port()
    program: Sequence[str] = (
        sys.executable, "-m", "bench.http_server", str(loaded.folder), str(genesis), str(port),
    )  # fmt: skip
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"open\n"
            yield port
        finally:
            server.send_signal(signal.SIGTERM)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
