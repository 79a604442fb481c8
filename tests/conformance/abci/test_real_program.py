"""The same with the real CometBFT: four nodes on this machine, stopped, killed, started again."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salus.base.errors import Problem, Refusal
from salus.base.limits import BLOCK_TRANSACTIONS_MAX
from salus.machine.block import Block
from salus.node.comet.proposals import Proposals
from tests.conformance.abci.local_network import LocalNetwork
from tests.support.ledgers import term
from tests.support.live import LIVE

pytestmark = LIVE


@pytest.fixture
def network(tmp_path: Path) -> Iterator[LocalNetwork]:
    """Four nodes."""
    with LocalNetwork(tmp_path) as running:
        yield running


def test_four_nodes_agree_and_go_on_without_one(network: LocalNetwork) -> None:
    """Equal app hashes; three of four make blocks, two halt; who returns is level again."""
    for member in range(4):
        assert 0 == network.submit(member, term(member + 1)).receipt.code
    done = network.submit(0, term(1))
    network.wait_level(done.height)

    assert 9002 == done.receipt.code
    assert 1 == len(network.app_hashes(done.height))

    network.stop(3)
    done = network.submit(0, term(10))
    network.stop(2)
    with pytest.raises(Problem, match="UnknownOutcome"):
        network.nodes[0].engine.submit_and_wait(waiting := network.sign(1, term(11)), 3.0)
    network.start(2)
    network.start(3)
    done = network.nodes[0].engine.submit_and_wait(waiting, 30.0)
    network.wait_level(done.height)

    assert 0 == done.receipt.code
    assert 1 == len(network.app_hashes(done.height))
    assert not [fault for node in network.nodes.values() for fault in node.faults]


def test_a_killed_comet_is_started_again_and_nothing_waiting_is_lost(
    network: LocalNetwork,
) -> None:
    """Its mempool is gone; what waits is handed over anew, and done once."""
    network.wait_level(network.submit(0, term(1)).height)
    engine = network.nodes[1].engine
    os.kill(engine.process.pid, signal.SIGKILL)
    tickets = [engine.submit(network.sign(1, term(n))) for n in range(2, 12)]

    assert {0} == {ticket.done.result(30).receipt.code for ticket in tickets}
    with pytest.raises(Refusal):
        engine.submit_and_wait(network.chain.sign(1, term(99), nonce=3))


def test_a_network_that_stopped_as_a_whole_starts_again(network: LocalNetwork) -> None:
    """All four at once: the journal and CometBFT's store fit together, whatever ended first."""
    height = network.submit(0, term(1)).height
    network.wait_level(height)
    for node in network.nodes.values():
        os.kill(node.engine.process.pid, signal.SIGKILL)
    for number in range(4):
        network.stop(number)
    for number in range(4):
        network.start(number)
    done = network.submit(1, term(1))

    assert done.height > height
    assert 9002 == done.receipt.code


def test_the_same_bytes_again_are_answered_from_the_block(network: LocalNetwork) -> None:
    """At the node that took them, and at another."""
    envelope = network.sign(2, term(1))
    done = network.nodes[2].engine.submit_and_wait(envelope)
    network.wait_level(done.height)

    assert done == network.nodes[2].engine.submit_and_wait(envelope)
    assert done == network.nodes[0].engine.submit_and_wait(envelope)


def test_a_lost_disk_is_filled_again_by_the_others(network: LocalNetwork, tmp_path: Path) -> None:
    """Ledger and CometBFT's data gone, the key kept: every block comes again and is executed."""
    for number in range(6):
        done = network.submit(number % 4, term(number + 1))
    network.stop(3)
    (tmp_path / "node3").rename(tmp_path / "lost")
    network.homes[3].put_key(network.chain.members[3].node)
    network.start(3)
    network.wait_level(done.height)

    assert 1 == len(network.app_hashes(done.height))


LIES = {
    "rubbish": lambda txs: [*txs, b"\x00rubbish"],
    "a transaction with a byte more": lambda txs: [*txs, *(one + b"\x00" for one in txs)],
    "too many": lambda txs: [*txs, *[b"x"] * (BLOCK_TRANSACTIONS_MAX + 1)],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_one_of_four_that_proposes_rubbish_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
    network: LocalNetwork,
    lie: Callable[[list[bytes]], list[bytes]],
) -> None:
    """T9: its proposals are voted down, the next proposer's are taken; no rubbish in any log."""
    liar, honest = network.nodes[0].ledger, Proposals.prepare

    def prepare(self: Proposals, block: Block, bytes_max: int) -> list[bytes]:
        txs = honest(self, block, bytes_max)
        return lie(txs) if self._ledger is liar else txs

    monkeypatch.setattr(Proposals, "prepare", prepare)
    for number in range(6):
        done = network.submit(number % 4, term(number + 1))
        assert 0 == done.receipt.code
    network.wait_level(done.height)
    codes = {
        receipt.code
        for height in range(1, done.height + 1)
        for receipt in network.nodes[1].ledger.receipts(height).receipts
    }

    assert {0} == codes
    assert 1 == len(network.app_hashes(done.height))
