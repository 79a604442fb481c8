"""
Immudb as a peer: its server, and a load client of ours, built from the Go module in `immudb/`.

Both are built on first use into `bench/.cache`, in a folder named by the hash of what they are
built from; go.sum fixes every source. The server keeps its default, synced mode. It listens on
loopback only, with its metrics, web and PostgreSQL ports off, so that it talks to our client alone.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

from bench.peers.peer import PAYLOAD_BYTES, PeerMissing, Result

_SOURCE = Path(__file__).parent / "immudb"
_SOURCE_FILES = ("go.mod", "go.sum", "load/main.go")
_SERVER_PACKAGE = "github.com/codenotary/immudb/cmd/immudb"

CACHE = Path(__file__).parents[1] / ".cache"
"""Where built programs are kept; never committed."""

SYNC_WINDOW_MS = 20
"""How long the server gathers transactions for one sync, by default; a lone one waits a quarter."""

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class ImmudbPeer:
    """An immudb server, and our load client as a second program."""

    def __init__(self, *, sync_window_ms: int = SYNC_WINDOW_MS, cache: Path = CACHE) -> None:
        """Take the sync window, 1 ms or more, and the folder to build in."""
        window = "" if sync_window_ms == SYNC_WINDOW_MS else f", {sync_window_ms} ms window"
        self.name = f"immudb{window}"
        self._sync_window_ms = sync_window_ms
        self._cache = cache
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """
        Build what is not built yet, and start the server.

        Raises `PeerMissing` without Go on PATH, if the build fails, or if the server ends at once.
        """
        self._programs = _build(self._cache)
        self._folder = folder
        self._port = _free_port()
        with (folder / "immudb.log").open("wb") as log:
            self._server = subprocess.Popen(
                [self._programs / "immudb", *_server_options(folder, self._port)],
                cwd=folder,
                env=_environment(folder),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_open(self._server, self._port)
        except PeerMissing:
            self.stop()
            raise

    def run(
        self,
        *,
        clients: int,
        seconds: float,
        payload_bytes: int = PAYLOAD_BYTES,
        batch: int = 1,
    ) -> Result:
        """
        Write from `clients` sessions, 1 to 100, `batch` keys a transaction, 1 to 1,024.

        Raises `CalledProcessError` if the server refuses a write or acknowledged more than it has.
        """
        options = {
            "port": self._port,
            "sessions": clients,
            "seconds": seconds,
            "payload-bytes": payload_bytes,
            "batch": batch,
            "sync-window-ms": self._sync_window_ms,
        }
        done = subprocess.run(
            [self._programs / "load", *(f"-{name}={value}" for name, value in options.items())],
            cwd=self._folder,
            env=_environment(self._folder),
            stdout=subprocess.PIPE,
            check=True,
        )
        return Result(**json.loads(done.stdout))

    def stop(self) -> None:
        """End the server."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None


def _build(cache: Path) -> Path:
    """Return the folder with both programs; building takes minutes, and the network once."""
    sources = b"".join((_SOURCE / name).read_bytes() for name in _SOURCE_FILES)
    programs = cache / f"immudb-{hashlib.sha256(sources).hexdigest()[:12]}"
    if programs.exists():
        return programs
    go = shutil.which("go")
    if go is None:
        reason = "no Go on PATH to build immudb with; install Go 1.24 or newer"
        raise PeerMissing(reason)
    unfinished = programs.with_suffix(f".{os.getpid()}")
    unfinished.mkdir(parents=True)
    built = subprocess.run(
        [go, "build", "-trimpath", "-buildvcs=false", "-o", unfinished, "./load", _SERVER_PACKAGE],
        cwd=_SOURCE,
        env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        shutil.rmtree(unfinished)
        reason = f"immudb could not be built: {built.stderr.strip().splitlines()[-1]}"
        raise PeerMissing(reason)
    unfinished.rename(programs)
    return programs


def _server_options(folder: Path, port: int) -> list[str]:
    return [
        f"--dir={folder / 'immudb'}",
        f"--address={_LOOPBACK}",
        f"--port={port}",
        "--metrics-server=false",
        "--web-server=false",
        "--pgsql-server=false",
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Hide the user's own immudb settings, which it would read from home and from variables."""
    return {"HOME": str(folder), "PATH": os.defpath}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_open(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection((_LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    reason = "immudb did not start; its folder holds immudb.log"
    raise PeerMissing(reason)
