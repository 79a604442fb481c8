"""
Each lie of a proposer, told to an honest App: the same ones that `tests/campaign/liar.py` tells.

A proposal that breaks a form or a limit is voted down; one that breaks a rule of the state is a
lawful block, in which each such transaction gets its number and changes nothing.
"""

import pytest

from salus.base.limits import BLOCK_BYTES_MAX, BLOCK_MESSAGES_MAX, BLOCK_TRANSACTIONS_MAX
from tests.campaign.lies import REJECTED, TAKEN, Author
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.driver import CometSide
from tests.support.ledgers import term


def author(chain: NetworkChain, comet: CometSide) -> Author:
    """Member 3, who has signed nothing yet."""
    return Author(
        chain.network, chain.members[3].transaction, comet.host.ledger.tip.time_ms, nonce=0
    )


@pytest.mark.parametrize("kind", REJECTED)
def test_a_proposal_of_bad_form_is_voted_down(
    chain: NetworkChain, comet: CometSide, kind: str
) -> None:
    """Whatever else is in it; what it kept from a block waits for the next proposer."""
    honest = [chain.sign(0, term(1)), chain.sign(1, term(2))]
    lie = REJECTED[kind](author(chain, comet), honest)

    assert not comet.process(lie)
    assert comet.process(honest)
    assert [0, 0] == comet.decide(honest)


CODES = {
    "nothing": [],
    "half": [0],
    "twice": [0, 0, 0, 14, 14, 14],
    "backwards": [0, 0, 0, 0, 0],
    "expired": [11, 0, 0],
    "immortal": [12, 0, 0],
    "far_ahead": [13, 0, 0],
    "stranger": [9, 0, 0],
}
"""Kind -> what becomes of each of its transactions."""


@pytest.mark.parametrize("kind", TAKEN)
def test_a_lawful_block_of_unlawful_transactions_harms_nobody(
    chain: NetworkChain, comet: CometSide, kind: str
) -> None:
    """It may be decided: its honest transactions are done, the others get their numbers."""
    honest = [chain.sign(0, term(1)), chain.sign(1, term(2))]
    lie = TAKEN[kind](author(chain, comet), honest)

    assert comet.process(lie)
    assert CODES[kind] == comet.decide(lie)


LIMITS = {
    "too_many": (BLOCK_TRANSACTIONS_MAX + 1, None),
    "too_many_messages": (None, BLOCK_MESSAGES_MAX + 1),
    "too_large": (None, None),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_each_limit_is_broken_alone(chain: NetworkChain, comet: CometSide, kind: str) -> None:
    """So that it is that limit which votes the proposal down, and no other."""
    count, messages = LIMITS[kind]
    lie = REJECTED[kind](author(chain, comet), [])
    read = [comet.host.ledger.machine.form.read(data) for data in set(lie)]
    found = len(lie), sum(len(one.messages) for one in read), sum(map(len, lie))

    assert (found[0] > BLOCK_TRANSACTIONS_MAX) == (count is not None)
    assert (found[1] > BLOCK_MESSAGES_MAX) == (messages is not None)
    assert (found[2] > BLOCK_BYTES_MAX) == (kind == "too_large")
    assert count in (None, found[0])
    assert messages in (None, found[1])
