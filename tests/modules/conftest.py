"""A small ledger for every module's tests; see `tests/support/machine.py`."""

import pytest

from tests.support.machine import Ledger


@pytest.fixture
def ledger() -> Ledger:
    """Three members with all their keys and two issuers each, after genesis."""
    return Ledger(members=3)
