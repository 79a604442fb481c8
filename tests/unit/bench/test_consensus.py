"""B4 and B7: what the arms send is alike, what is missing is told, and an arm runs."""

import threading
from pathlib import Path

import msgspec
import pytest

from bench import consensus, consensus_steps, lines
from bench.abci_cli import ProgramMissing
from bench.consensus import Asked, of_kvstore, of_salus, run_arm
from bench.consensus_arms import COMETBFT, NODE
from bench.consensus_load import Load, _Flow, _requests
from bench.consensus_report import BUILT_IN, SALUS, SOCKET, Run, many_line, rate_line
from bench.idash import published, read_logs
from bench.member import TrustingPool
from bench.network import new_validators
from salus import chain
from salus.machine.genesis import read_genesis
from salus.node.verify_pool import VerifyPool
from tests.support.live import needs_comet, one_at_a_time


def run_of(per_second: float = 1_000.0, cpu_us: float = 500.0) -> Run:
    """A run with two figures that matter."""
    load = Load(
        per_second=per_second, block_size=800, blocks=9, loopback_bytes=900, sent=9_000,
        cpu_us={NODE: cpu_us / 2, COMETBFT: cpu_us / 2},
    )  # fmt: skip
    return Run(load=load, journal_bytes=180, comet_bytes=900)


def test_all_arms_send_transactions_of_one_size() -> None:
    """300 B, but for the one or two bytes by which a nonce grows."""
    network = new_validators(2)
    signed = of_salus(network, 1, 40)
    plain = of_kvstore(1, 40)

    assert {300} == {len(one) for one in (*signed, *plain)}
    assert 40 == len(set(signed)) == len(set(plain))
    assert {1} == {one.count(b"=") for one in plain}


def test_validators_have_equal_power() -> None:
    """So that no arm's blocks depend on who proposes."""
    members = read_genesis(new_validators(7, 4).genesis).members

    assert 7 == len(members)
    assert {10} == {one["power"] for one in members}


def test_no_sender_runs_ahead_and_no_more_is_in_flight_than_asked() -> None:
    """A node's clients wait for the others': else one member's share of the pools were used up."""
    flow = _Flow(2, 300)
    assert flow.enter(0)
    ahead = threading.Thread(target=flow.enter, args=(0,), daemon=True)
    ahead.start()
    ahead.join(0.05)
    assert ahead.is_alive()

    assert flow.enter(1)
    ahead.join(5)
    assert 300 == flow.sent
    over = threading.Thread(target=flow.enter, args=(1,), daemon=True)
    over.start()
    over.join(0.05)
    assert over.is_alive()
    flow.commit(100)
    over.join(5)

    assert 400 == flow.sent


def test_requests_hold_whole_batches() -> None:
    """A hundred a request; a rest that fills none is not sent."""
    bodies = [msgspec.json.decode(body) for body in _requests([b"envelope"] * 250)]

    assert [100, 100] == [len(body) for body in bodies]
    assert {"broadcast_tx_async"} == {call["method"] for body in bodies for call in body}


def test_the_bar_is_a_share_of_the_socket_arm() -> None:
    """60 % of the application behind the socket, at four validators alone."""
    runs = {
        (name, members): [run_of(rate)]
        for members in (1, 4)
        for name, rate in ((SOCKET, 2_000.0), (SALUS, 1_300.0))
    }
    four, one = rate_line(4, runs, ""), rate_line(1, runs, "")

    assert (1_200.0, True) == (four.bar, four.is_met)
    assert one.bar is None
    assert {SOCKET: 2_000.0} == four.peers


def test_sixteen_nodes_are_reckoned_from_four_and_seven() -> None:
    """100 µs at a node whatever there is, and 10 for each node: 260 at each of sixteen."""
    runs = {(SALUS, members): [run_of(cpu_us=members * (100 + 10 * members))] for members in (4, 7)}

    assert 260 == many_line(runs).salus


def test_a_busy_machine_s_figures_say_nothing_of_sixteen() -> None:
    """Seven nodes that spent four times as much as four do not lie on any line through nothing."""
    runs = {(SALUS, 4): [run_of(cpu_us=800)], (SALUS, 7): [run_of(cpu_us=6_400)]}

    assert many_line(runs).salus is None


def test_a_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bar says "not run" and why, and nothing is started."""

    def missing() -> Path:
        raise ProgramMissing("network mode needs CometBFT 0.39")

    monkeypatch.setattr(consensus, "cometbft", missing)
    monkeypatch.setattr(lines, "cometbft", missing)
    told = [
        *consensus.measure(tmp_path, Asked(seconds=1, times=1)),
        *lines.measure(tmp_path, 10),
    ]

    assert [None, None] == [one.salus for one in told]
    assert all("network mode needs CometBFT 0.39" in one.note for one in told)
    assert [] == list(tmp_path.iterdir())


def test_without_the_other_application_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arm is left out by name."""

    def missing() -> Path:
        raise ProgramMissing("no Go")

    monkeypatch.setattr(consensus, "cometbft", lambda: Path("cometbft"))
    monkeypatch.setattr(consensus, "abci_cli", missing)
    there, told = consensus._there()

    assert SOCKET not in there
    assert {BUILT_IN, SALUS} < set(there)
    assert f"; {SOCKET}: not run: no Go" == told


def test_the_arm_without_signature_checks_is_no_setting_of_a_node() -> None:
    """Only this class says yes to all; the pool it stands for refuses the same bytes."""
    network = new_validators(1)
    (envelope,) = of_salus(network, 0, 1)
    forged = envelope[:-1] + bytes([envelope[-1] ^ 1])
    pools = [pool(network.id, workers=0) for pool in (TrustingPool, VerifyPool)]

    assert [[True, True], [True, False]] == [pool.check([envelope, forged]) for pool in pools]

    for pool in pools:
        pool.close()


def test_the_published_queries_are_asked_as_they_are() -> None:
    """Eleven of them; each criterion has its number, and one answer is a single row."""
    logs = read_logs()
    asked = [logs.criteria(one.query) for one in published()]

    assert 11 == len(asked)
    assert [len(one.query) - ("sort" in one.query) for one in published()] == list(map(len, asked))
    assert 1 in [one.rows for one in published()]


def test_the_steps_of_a_node_are_all_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that CometBFT makes for a transaction, with real frames, proposals and commits."""
    monkeypatch.setattr(chain, "MODULES", chain.MODULES)  # put back afterwards
    spent = consensus_steps.measure(tmp_path, 3, 40, unchecked=False)

    assert ["CheckTx", "CheckTx, recheck", "proposal", "FinalizeBlock", "Commit"] == list(spent)
    assert all(us > 0 for us in spent.values())


@pytest.mark.slow
@one_at_a_time
@needs_comet
@pytest.mark.parametrize("name", [BUILT_IN, SALUS])
def test_an_arm_runs(name: str, tmp_path: Path) -> None:
    """One validator, a second: blocks hold what was sent, and processes of each kind spent CPU."""
    run = run_arm(tmp_path, name, 1, 1.0)

    assert run.load.sent >= 100
    assert run.load.per_second > 0
    assert run.load.cpu_us[COMETBFT] > 0
    assert (name == SALUS) == (run.load.cpu_us[NODE] > 0) == (run.journal_bytes > 0)
    assert [] == list(tmp_path.iterdir())
