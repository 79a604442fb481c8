"""The real CometBFT dials whom it is told to, long after its start."""

from pathlib import Path

from salus.node.comet.home import CometHome
from salus.node.comet.redial import dial
from tests.conformance.abci.local_network import LocalNetwork
from tests.support.ledgers import term
from tests.support.live import LIVE

pytestmark = LIVE


def test_a_node_in_nobodys_list_is_connected_once_it_is_dialled(tmp_path: Path) -> None:
    """Three make blocks without it; then it takes them all."""
    network = LocalNetwork(tmp_path, waits=False)
    lost = network.homes[3]
    (address,) = [one for one in network.homes[0].peers if one.endswith(f"@{lost.listen}")]
    network.homes = [
        CometHome(one.folder, one.listen, tuple(peer for peer in one.peers if peer != address))
        for one in network.homes[:3]
    ]
    network.homes.append(CometHome(lost.folder, lost.listen))
    with network:
        done = network.submit(0, term(1))
        before = network.nodes[3].ledger.tip.height
        dial(network.homes[0].rpc_socket, [address])
        network.wait_level(done.height)

        assert 0 == before
        assert 1 == len(network.app_hashes(done.height))
