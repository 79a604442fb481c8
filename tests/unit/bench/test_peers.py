"""The peers really commit what they count, and say in words when they cannot run."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bench.peers.arms import ARMS, Arm, measure
from bench.peers.immudb import CACHE, ImmudbPeer
from bench.peers.load import Load, run_load
from bench.peers.machine import describe
from bench.peers.peer import PeerMissing, summarize
from bench.peers.postgres import PostgresPeer
from bench.peers.sqlite import SqlitePeer, SqliteWriter

SECONDS = 0.3


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresPeer]:
    """Start a PostgreSQL peer, and stop it after the test."""
    peer = PostgresPeer()
    try:
        peer.start(tmp_path)
        yield peer
    finally:
        peer.stop()


def test_percentiles_are_by_nearest_rank() -> None:
    """A percentile is a latency that was seen: of 1 to 200 ms, the 100th and the 198th."""
    result = summarize([ms * 1_000_000 for ms in range(200, 0, -1)], batch=10, seconds=4.0)

    assert (100.0, 198.0) == (result.p50_ms, result.p99_ms)
    assert 2_000 == result.operations
    assert 500.0 == result.per_second


@pytest.mark.slow
@pytest.mark.parametrize(("clients", "batch"), [(1, 1), (5, 1), (3, 100)])
def test_sqlite_commits_what_it_counts(tmp_path: Path, clients: int, batch: int) -> None:
    """Each counted row is in the file, with a key of 16 and a payload of the bytes asked for."""
    peer = SqlitePeer()
    peer.start(tmp_path)

    result = peer.run(clients=clients, seconds=SECONDS, payload_bytes=77, batch=batch)

    connection = sqlite3.connect(peer.path)
    shape = "SELECT count(*), max(length(key)), max(length(payload)) FROM rows"
    assert (result.operations, 16, 77) == connection.execute(shape).fetchone()
    connection.close()
    assert 0 == result.operations % batch
    assert result.p50_ms <= result.p99_ms


@pytest.mark.slow
def test_sqlite_runs_add_up(tmp_path: Path) -> None:
    """Rows of an earlier run stay, so that one start serves several numbers of clients."""
    peer = SqlitePeer()
    peer.start(tmp_path)

    written = sum(peer.run(clients=n, seconds=SECONDS).operations for n in (1, 2))

    connection = sqlite3.connect(peer.path)
    assert (written,) == connection.execute("SELECT count(*) FROM rows").fetchone()
    connection.close()


@pytest.mark.slow
def test_postgres_commits_and_syncs_what_it_counts(postgres: PostgresPeer) -> None:
    """Each counted row is in the table; a lone client has a sync of its own for each."""
    lone = postgres.run(clients=1, seconds=SECONDS)
    grouped = postgres.run(clients=4, seconds=SECONDS, batch=100)

    with psycopg.connect(postgres.uri) as connection:
        written = connection.execute("SELECT count(*) FROM rows").fetchone()
        settings = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit")
        ]
    assert (lone.operations + grouped.operations,) == written
    assert [("on",), ("on",)] == settings
    assert lone.syncs is not None
    assert lone.syncs >= lone.operations


@pytest.mark.slow
def test_a_client_that_fails_ends_the_run(tmp_path: Path) -> None:
    """A load whose client cannot connect is an error, never a smaller figure."""
    load = Load(clients=3, seconds=SECONDS, payload_bytes=1, batch=1)

    with pytest.raises(EOFError):
        run_load(partial(SqliteWriter, tmp_path / "absent" / "peer.sqlite"), load)


def test_immudb_without_go_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Go on PATH, and nothing built yet, the reason names Go; nothing is left behind."""
    monkeypatch.setenv("PATH", str(tmp_path))
    peer = ImmudbPeer(cache=tmp_path / "cache")

    with pytest.raises(PeerMissing, match="no Go on PATH"):
        peer.start(tmp_path)

    peer.stop()
    assert [] == list(tmp_path.iterdir())


def test_an_arm_that_cannot_run_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arm's folder is removed whether or not its peer started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    arm = Arm("immudb", lambda: ImmudbPeer(cache=tmp_path / "cache"))

    with pytest.raises(PeerMissing):
        list(measure(arm, tmp_path, clients=[1], seconds=SECONDS))

    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(
    not any(CACHE.glob("immudb-*")), reason="immudb is not built; python -m bench.peers builds it"
)
def test_immudb_counts_transactions_of_its_own_log(tmp_path: Path) -> None:
    """The load client fails unless the log grew by as many transactions as were acknowledged."""
    arm = Arm("immudb", ImmudbPeer, 10)

    measured = dict(measure(arm, tmp_path, clients=[1, 40], seconds=SECONDS))

    assert [1, 40] == list(measured)
    assert all(result.operations >= 10 * clients for clients, result in measured.items())
    assert [] == list(tmp_path.iterdir())


def test_arms_are_named_once() -> None:
    """An arm is chosen by its id and read by its name, so both are unique."""
    assert len(ARMS) == len({arm.id for arm in ARMS}) == len({arm.name for arm in ARMS})


def test_the_machine_line_names_its_sync_time(tmp_path: Path) -> None:
    """The probe measures in the folder given and leaves nothing in it."""
    machine = describe(tmp_path)

    assert 0 < machine.sync_p50_ms <= machine.sync_p99_ms
    assert "fdatasync" in str(machine)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_prints_one_json_object(tmp_path: Path) -> None:
    """With `--json` stdout is data alone; what is being measured goes to stderr."""
    options = ["--seconds", "0.2", "--clients", "1,2", "--arms", "sqlite", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers", *options, "--folder", tmp_path],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=True,
    )

    printed = json.loads(done.stdout)
    assert [1, 2] == [line["clients"] for line in printed["lines"]]
    assert done.stderr.startswith(b"sqlite: 2 runs")
    assert [] == list(tmp_path.iterdir())
