"""Members whose clocks are wrong by minutes, hours and a day (T7)."""

from tests.campaign.network.clocks import BLOCKS, run_clocks


def test_wrong_clocks_fork_nobody_and_block_time_ends_transactions() -> None:
    """Four Apps, four clocks, equal app hashes; expired exactly when block time says so."""
    clocks = run_clocks(1, 5)

    assert [] == clocks.failures
    assert 5 * BLOCKS == clocks.blocks
    assert clocks.expired > 0
    assert clocks.done > 0
