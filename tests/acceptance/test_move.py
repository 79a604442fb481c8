"""
A ledger that one member orders moves into a network by vote: nothing of it is lost.

Four processes follow North's engine, vote, end with block E by themselves, and go on from block
E + 1 as four validators.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.doors.demo import samples
from tests.support.live import LIVE
from tests.support.member_processes import MemberProcesses, member_processes
from tests.support.own_machine import data_of, wait_for
from tests.support.port_row import free_row
from tests.unit.doors.cli.shell import run

pytestmark = LIVE

TRY_AGAIN = 75
"""Exit code that a supervisor starts a process again after."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[MemberProcesses]:
    """Four members that follow North, told where their CometBFT will be one day; all run."""
    with member_processes(tmp_path) as made:
        first = free_row(len(made.names))
        for at, name in enumerate(made.names):
            with made.config(name).open("a") as config:
                config.write(
                    f'\n[comet]\nfolder = "comet/{name}"\nlisten = "127.0.0.1:{first + at}"\n'
                )
        start(made, "--new")
        yield made


def start(network: MemberProcesses, *options: str) -> None:
    """All of them; options for the one that orders."""
    for name in network.names:
        network.start(name, *(options if name == network.names[0] else ()))
    network.wait_ready(*network.names)


def told_by(*words: str) -> Any:
    """A command that must end well; its data."""
    return data_of(run(*words))


def act(network: MemberProcesses, name: str, *words: str) -> Any:
    """A command signed by a member, to its own node."""
    signer = network.folder / "keys" / name / "transaction.key"
    url = f"http://127.0.0.1:{network.ports[name][0]}"
    return told_by(*words, "--signer", str(signer), "--url", url, "--json")


def opened(network: MemberProcesses, grant: str) -> list[Any]:
    """The records South opens."""
    answer = network.operate("south", "GET", f"/charts/{grant}")
    assert answer.is_success, answer.text
    return sorted(answer.json()["records"], key=str)


def give(network: MemberProcesses) -> str:
    """A patient's labs to South."""
    patients = network.operate("north", "GET", "/patients").json()["patients"]
    body = {
        "patient": patients[0]["handle"],
        "to": network.member("south").hex(),
        "compartments": ["labs"],
        "for_hours": 24,
    }
    given = network.operate("north", "POST", "/grants", json=body)
    assert given.is_success, given.text
    return str(given.json()["grant"])


def decided(network: MemberProcesses) -> str:
    """What `salus network move` proposes next, voted by three; the proposal."""
    proposal = str(act(network, "north", "network", "move")["proposal"])
    for name in ("south", "lab"):
        act(network, name, "vote", proposal)
    return proposal


def is_applied(network: MemberProcesses, proposal: str) -> bool:
    """Whether South's copy says so."""
    path = f"/v1/governance/proposal?proposal_id={proposal}"
    return bool("applied" == network.get("south", path)["value"]["status"])


def newest_transaction(network: MemberProcesses) -> str:
    """Its id, in North's copy."""
    height = network.status("north")["height"]
    blocks = (network.get("north", f"/v1/blocks/{at}") for at in range(height, 0, -1))
    return next(str(one["transactions"][0]["id"]) for one in blocks if one["transactions"])


def test_an_embedded_ledger_moves_into_a_network(network: MemberProcesses, tmp_path: Path) -> None:
    """Records open, an old proof verifies, three go on; a lost disk takes both parts anew."""
    (name, data) = next(iter(samples.bundles(1)))
    told = network.operate("north", "POST", "/import/fhir", files=[("documents", (name, data))])
    assert [] == told.json()["refused"]
    network.operate("south", "POST", "/practitioners", json={"name": "Dr A. Ivers"})
    grant = give(network)
    records = opened(network, grant)
    assert records
    url = f"http://127.0.0.1:{network.ports['north'][0]}"
    proof, trust = tmp_path / "old.salus-proof", tmp_path / "trust.json"
    proof.write_text(run("proof", newest_transaction(network), "--url", url).text)
    trust.write_text(run("trust", "export", "--url", url).text)
    identity = network.status("north")["network"]

    nodes = {
        one: told_by("node", "show", str(network.config(one)), "--json")["node"]
        for one in network.names
    }
    for one in network.names:
        told_by("keys", "rotate", "node", str(network.config(one)), "--json")
        told_by("network", "meet", str(network.config(one)),
              *(node for other, node in nodes.items() if other != one))  # fmt: skip
    powers = decided(network)
    wait_for(lambda: is_applied(network, powers))
    decided(network)
    assert {TRY_AGAIN} == {network.wait_end(one) for one in network.names}
    assert all("LedgerMoved" in network.log(one) for one in network.names)

    start(network)
    moved = network.status("north")["height"]
    assert identity == network.status("north")["network"]
    assert 0 == run("verify", str(proof), "--trust", str(trust)).code
    assert records == opened(network, grant)
    network.kill("insurer")
    again = give(network)
    assert records == opened(network, again)
    assert moved < network.status("north")["height"]
    shutil.rmtree(network.home("insurer") / "node")
    network.start("insurer")
    assert TRY_AGAIN == network.wait_end("insurer")
    assert "LedgerMoved" in network.log("insurer")
    network.start("insurer")
    network.wait_ready("insurer")
    wait_for(lambda: 1 == len({one["app_hash"] for one in map(network.status, network.names)}))
