"""The genesis file: one canonical form, one network id, and only known sections."""

import json
from typing import Any

import pytest

from salus.base.errors import Problem
from salus.base.hashing import domain_hash
from salus.chain import machine
from salus.machine.genesis import Genesis, first_rows, network_id, read_genesis, write_genesis
from salus.machine.tables import META, Meta
from tests.support.machine import Ledger

GOOD = Ledger(members=1).genesis


def file(**changes: Any) -> bytes:
    """The good file with some fields changed, in canonical form."""
    return (json.dumps({**json.loads(GOOD), **changes}, sort_keys=True, indent=2) + "\n").encode()


def test_a_file_reads_as_it_was_written() -> None:
    """And its id is the hash of its very bytes."""
    genesis = read_genesis(GOOD)

    assert isinstance(genesis, Genesis)
    assert GOOD == write_genesis(genesis)
    assert domain_hash("genesis", GOOD) == network_id(GOOD)


def test_names_beyond_ascii_are_escaped() -> None:
    """So that a file survives editors and mail."""
    data = file(name="Hôpital")

    assert b"H\\u00f4pital" in data
    assert "Hôpital" == read_genesis(data).name


FAULTS = {
    "no JSON": (b"{", "GenesisMalformed"),
    "no UTF-8": (b"\xff", "GenesisMalformed"),
    "nested deep": (b"[" * 100_000, "GenesisMalformed"),
    "another format": (file(format="salus-genesis/2"), "GenesisMalformed"),
    "another mode": (file(mode="cloud"), "GenesisMalformed"),
    "an unknown field": (file(motto="x"), "GenesisMalformed"),
    "no final newline": (GOOD[:-1], "GenesisNotCanonical"),
    "Windows line ends": (GOOD.replace(b"\n", b"\r\n"), "GenesisNotCanonical"),
    "version 0": (file(version=0), "GenesisVersion"),
    "a version to come": (file(version=2), "GenesisVersion"),
    "an unknown module": (file(modules={"officers": 1}), "GenesisMalformed"),
    "parameters that are no numbers": (file(parameters={"vault.copies": "3"}), "GenesisMalformed"),
}


@pytest.mark.parametrize(("data", "name"), FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_file_is_refused(data: bytes, name: str) -> None:
    """With a stable name and a sentence that says what was expected."""
    with pytest.raises(Problem) as problem:
        first_rows(machine(), data)

    assert name == problem.value.name


def test_the_first_state_says_what_the_ledger_is() -> None:
    """Mode, version and the height of the first block."""
    rows = first_rows(machine(), GOOD)

    value = rows[META.key()]
    assert value is not None
    assert Meta(initial_height=1, mode="embedded", version=1) == META.decode(value)
