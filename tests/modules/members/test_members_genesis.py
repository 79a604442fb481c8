"""The first members come from the genesis file, and only sound ones."""

from typing import Any

import pytest

from salus.base.errors import Problem
from salus.chain import machine
from salus.machine.genesis import FORMAT, Genesis, first_rows, write_genesis
from salus.machine.tables import META
from salus.modules.members import queries
from tests.support.machine import GENESIS_MS, Actor, Ledger


def file(members: list[dict[str, Any]], mode: str = "embedded") -> bytes:
    """A genesis file with these members."""
    return write_genesis(
        Genesis(
            format=FORMAT,
            name="test",
            time_ms=GENESIS_MS,
            mode=mode,
            version=1,
            members=members,
            parameters={},
            modules={},
        )
    )


def test_members_stand_in_the_files_order() -> None:
    """Numbers follow the file, the roster the ids' bytes; all may vouch, one may have power."""
    ledger = Ledger(members=4, power=3)
    view = ledger.context()

    assert [one.id for one in ledger.members] == queries.admitted(view)
    assert sorted(one.id for one in ledger.members) == queries.roster(view)
    assert all(queries.active(view, one.id) for one in ledger.members)
    assert not queries.active(view, bytes(16))
    assert [3] * 4 == [one.power for one in queries.validators(view)]
    meta = ledger.row(META)
    assert meta is not None
    assert "embedded" == meta.mode


def test_a_view_without_genesis_is_empty() -> None:
    """Queries answer with nothing where nothing is."""
    ledger = Ledger(members=1)
    ledger.rows.clear()
    view = ledger.context()

    assert ([], [], []) == (
        queries.roster(view), queries.admitted(view), queries.keys(view, bytes(16), 1, 0)
    )  # fmt: skip
    assert queries.validator(view, bytes(16)) is None


FAULTS: dict[str, dict[str, Any]] = {
    "an unknown field": {"nickname": "x"},
    "hex in upper case": {"keys": [{"use": 1, "key": "0A"}]},
    "a key too short": {"keys": [{"use": 1, "key": "01"}]},
    "no keys": {"keys": []},
    "a name too long": {"name": "x" * 65},
    "plain http": {"address": "http://a"},
    "one issuer": {"issuers": [Actor(7).genesis()["issuers"][0]]},
    "power over 1,000": {"power": 1_001},
    "power without a node key": {"power": 1, "keys": Actor(0).genesis()["keys"][:4]},
}


@pytest.mark.parametrize("changes", FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_member_is_refused(changes: dict[str, Any]) -> None:
    """The file is refused as a whole, with the place in words."""
    with pytest.raises(Problem) as problem:
        first_rows(machine(), file([{**Actor(0).genesis(), **changes}]))

    assert "GenesisMalformed" == problem.value.name


def test_a_member_stands_once() -> None:
    """Two entries with one first key are one member too many."""
    entry = Actor(0).genesis()

    with pytest.raises(Problem, match="MemberExists"):
        first_rows(machine(), file([entry, entry]))


def test_somebody_must_be_there() -> None:
    """A ledger needs a member, a network one with weight."""
    with pytest.raises(Problem, match="at least one member"):
        first_rows(machine(), file([]))
    with pytest.raises(Problem, match="node key"):
        first_rows(machine(), file([Actor(0).genesis()], mode="network"))
