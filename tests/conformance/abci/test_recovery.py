"""Handshake and crashes: wherever either side stops, both go on from the same block."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from salus.base.errors import Fault
from salus.node.comet.abci_pb2 import PublicKey, ValidatorUpdate
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.driver import AppFailed, AppHost, CometSide
from tests.support.ledgers import term


class Restarted:
    """One CometBFT and an App that can be stopped at any point and started on the same folder."""

    def __init__(self, folder: Path, chain: NetworkChain) -> None:
        self.folder = folder
        self.chain = chain
        self.side = CometSide(chain)
        self.start()

    def start(self) -> None:
        self.host = AppHost(self.folder, self.chain)
        self.side.connect(self.host)

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.side.disconnect()
        self.host.close()


def stored(side: CometSide, txs: list[bytes]) -> None:
    """Decided, and the App not told."""
    side.store(txs)


def finalized(side: CometSide, txs: list[bytes]) -> None:
    """Executed, not committed."""
    side.store(txs)
    side.finalize(side.height)


def finalized_twice(side: CometSide, txs: list[bytes]) -> None:
    """Asked again within one life: the same answer."""
    finalized(side, txs)
    side.finalize(side.height)


def proposed(side: CometSide, txs: list[bytes]) -> None:
    """A round begun, another block decided while this App was away."""
    side.process(side.prepare(txs[:1]))
    side.store(txs)


def committed(side: CometSide, txs: list[bytes]) -> None:
    """Committed; CometBFT has not saved its state."""
    finalized(side, txs)
    side.commit()


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("stop", [stored, finalized, finalized_twice, proposed, committed])
def test_a_crash_at_any_step_is_made_good_by_the_handshake(
    tmp_path: Path,
    chain: NetworkChain,
    stop: Callable[[CometSide, list[bytes]], None],
    before: int,
) -> None:
    """Every height relation that can be: the App level with the store, or behind it."""
    both = Restarted(tmp_path, chain)
    both.side.handshake()
    for number in range(before):
        both.side.decide([chain.sign(0, term(number + 1))])
    stop(both.side, [chain.sign(1, term(50)), chain.sign(2, term(50))])
    both.restart()
    expected = before + (stop is committed)

    assert expected == both.side.info().last_block_height
    both.side.handshake()
    assert before + 1 == both.side.info().last_block_height
    assert [0, 9002] == both.side.codes[-1]
    assert [0] == both.side.decide([chain.sign(3, term(60))])
    both.stop()


def test_an_empty_app_takes_all_blocks_again(tmp_path: Path, chain: NetworkChain) -> None:
    """A member that lost its disk, or joins: from InitChain on, to equal hashes."""
    both = Restarted(tmp_path / "first", chain)
    both.side.handshake()
    for number in range(5):
        both.side.any_height([chain.sign(number % 4, term(number % 3 + 1))])
    both.stop()
    both.folder = tmp_path / "second"
    both.start()
    both.side.handshake()

    assert 5 == both.side.info().last_block_height
    both.stop()


def test_init_chain_may_come_again(tmp_path: Path, chain: NetworkChain) -> None:
    """CometBFT crashed before it saved the genesis state: the same answer each time."""
    both = Restarted(tmp_path, chain)
    first = both.side.init_chain()
    second = both.side.init_chain()
    both.restart()

    assert first == second == both.side.init_chain() == both.host.ledger.tip.app_hash
    both.stop()


STRANGE = {
    "another network's chain id": {"chain_id": "salus-0000000000000000"},
    "another first height": {"initial_height": 2},
    "another ledger's state": {"app_state_bytes": b'{"network": "00", "height": 0}'},
    "a ledger further on": {"app_state_bytes": b'{"network": "00", "height": 7}'},
    "no state": {"app_state_bytes": b"{}"},
    "not our members": {"validators": []},
    "a stranger among the validators": {
        "validators": [ValidatorUpdate(pub_key=PublicKey(ed25519=bytes(32)), power=10)]
    },
}


@pytest.mark.parametrize("changed", STRANGE.values(), ids=STRANGE.keys())
def test_a_foreign_genesis_file_stops_the_node(
    tmp_path: Path, chain: NetworkChain, changed: dict[str, object]
) -> None:
    """CometBFT's genesis file and ours must tell of one network."""
    both = Restarted(tmp_path, chain)
    with pytest.raises(AppFailed):
        both.side.init_chain(**changed)
    both.stop()

    assert 1 == len(both.host.faults)


def test_a_store_that_is_not_ours_stops_the_node(tmp_path: Path, chain: NetworkChain) -> None:
    """CometBFT decides a height this ledger does not expect: nothing is executed."""
    both = Restarted(tmp_path, chain)
    both.side.handshake()
    both.side.store([])
    both.side.store([])
    with pytest.raises(AppFailed):
        both.side.finalize(2)
    both.stop()

    assert [Fault] == [type(one) for one in both.host.faults]
    assert 0 == both.host.ledger.tip.height


@pytest.mark.parametrize("seed", range(6))
def test_any_lawful_order_of_calls_gives_equal_ledgers(
    tmp_path: Path, chain: NetworkChain, seed: int
) -> None:
    """Random rounds, checks, rechecks and crashes beside a member that only gets the blocks."""
    both, random = Restarted(tmp_path / "app", chain), Random(seed)
    both.side.random = random
    both.side.handshake()
    for number in range(12):
        offered = [
            chain.sign(random.randrange(4), term(random.randrange(1, 9)))
            for _ in range(random.randrange(5))
        ]
        if random.random() < 0.5:
            both.side.check(*offered)
        both.side.any_height(offered)
        both.side.check(*offered, recheck=True)
        if random.random() < 0.3:
            random.choice([stored, finalized, committed])(both.side, [chain.sign(0, term(number))])
            both.restart()
            both.side.handshake()
    both.stop()
    quiet = CometSide(chain)
    quiet.blocks = both.side.blocks
    host = AppHost(tmp_path / "quiet", chain)
    quiet.connect(host)
    quiet.handshake()

    assert (both.side.app_hashes, both.side.codes) == (quiet.app_hashes, quiet.codes)
    quiet.disconnect()
    host.close()
