"""Marks of tests that start real members, each with the CometBFT under it."""

import os

import pytest

from salus.node.comet import program


def has_comet() -> bool:
    """Whether CometBFT is here or can be built."""
    return program.find_go() is not None or "SALUS_COMETBFT" in os.environ


needs_comet = pytest.mark.skipif(
    not has_comet(), reason="CometBFT 0.39: neither SALUS_COMETBFT nor Go 1.25"
)

one_at_a_time = pytest.mark.xdist_group("live")
"""Holds bars of seconds and takes ports in rows: never beside another of its kind."""

LIVE = [pytest.mark.slow, one_at_a_time, needs_comet]
