"""
A network's life on machines of their own: begun by four, joined, its keys changed, left, upgraded.

Each member is a folder and a process; what passes between them are files that somebody carries, and
what doors answer. The tests follow one another on one network.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from salus.doors.demo import samples
from tests.support.live import LIVE
from tests.support.own_machine import PORTS, OwnMachine, carry, data_of, wait_for, wait_level
from tests.support.port_row import free_row
from tests.unit.doors.cli.shell import run

pytestmark = LIVE

FOUNDERS = ("north", "south", "lab", "insurer")


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, OwnMachine]]:
    """Four founders, one with keys under a passphrase, and one who will join; nothing runs yet."""
    root = tmp_path_factory.mktemp("life")
    names = (*FOUNDERS, "clinic")
    first = free_row(PORTS * len(names))
    sealed = {"north": "correct horse"}
    made = {
        name: OwnMachine(root, name, first + PORTS * at, sealed.get(name, ""))
        for at, name in enumerate(names)
    }
    yield made
    for one in made.values():
        one.kill()


@pytest.fixture(scope="module")
def network(machines: dict[str, OwnMachine]) -> dict[str, OwnMachine]:
    """The founders' contributions made, carried and joined; all four run."""
    founders = [machines[name] for name in FOUNDERS]
    told = {one.name: one.contribute() for one in founders}
    for one in founders:
        others = [carry(other.contribution, one) for other in founders if other is not one]
        files = [str(path) for path in (one.contribution, *others)]
        genesis = str(one.folder / "made.json")
        made = data_of(run("network", "genesis", *files, "--out", genesis, "--json"))
        assert {line["name"].lower(): line["fingerprint"] for line in made["members"]} == {
            name: one["fingerprint"] for name, one in told.items()
        }
        data_of(run("network", "join", str(one.config), *files, "--genesis", genesis))
    for one in founders:
        one.start()
    wait_level(founders)
    return machines


def running(machines: dict[str, OwnMachine]) -> list[OwnMachine]:
    """Those that run."""
    return [one for one in machines.values() if one.process is not None]


def decide(proposer: OwnMachine, words: Sequence[str], voters: Sequence[OwnMachine]) -> str:
    """Propose, let others vote, wait until it is done; the proposal."""
    proposal = str(proposer.acts(*words)["proposal"])
    for voter in voters:
        wait_for(lambda voter=voter: _knows(voter, proposal))  # type: ignore[misc]  # bound now
        voter.acts("vote", proposal)
    wait_for(lambda: status_of(proposer, proposal) == "applied", proposer.said)
    return proposal


def status_of(member: OwnMachine, proposal: str) -> str:
    """How a proposal stands in a member's copy."""
    return str(_proposal(member, proposal)["status"])


def _knows(member: OwnMachine, proposal: str) -> bool:
    return _proposal(member, proposal) is not None


def _proposal(member: OwnMachine, proposal: str) -> Any:
    return member.get(f"/v1/governance/proposal?proposal_id={proposal}")["value"]


def row(member: OwnMachine, name: str) -> Any:
    """Another member's row in a member's copy."""
    return next(one for one in member.get("/v1/members")["members"] if one["name"].lower() == name)


def test_the_founders_made_one_file_each_by_itself(network: dict[str, OwnMachine]) -> None:
    """Equal to the byte on four machines; all vote; two issuers of each register its people."""
    files = {(one.folder / "genesis.json").read_bytes() for one in running(network)}
    assert 1 == len(files)
    wait_for(lambda: all(one.standing().get("voting") == "yes" for one in running(network)))
    for one in running(network):
        person = one.operate("POST", "/practitioners", json={"name": "Dr A. Ivers"})
        assert person["id"]


def test_a_changed_contribution_is_found_by_its_member(
    network: dict[str, OwnMachine], tmp_path: Path
) -> None:
    """Somebody swaps South's address: the file is not proven, and a genesis of it not South's."""
    south = network["south"]
    altered = tmp_path / "south.salus-member"
    text = south.contribution.read_text()
    altered.write_text(text.replace(f":{south.peer}", ":9"))
    genesis = str(network["lab"].folder / "genesis.json")
    said = run("network", "check", genesis, str(altered))

    assert (65, True) == (said.code, "ContributionNotProven" in said.err)
    assert 0 == run("network", "check", genesis, str(south.contribution)).code


def test_a_member_joins_by_vote_and_becomes_a_validator(network: dict[str, OwnMachine]) -> None:
    """From a folder with its keys alone: admitted, all blocks executed, weighed, voting."""
    clinic, north = network["clinic"], network["north"]
    told = clinic.contribute()
    file = carry(clinic.contribution, north)
    proposal = str(north.acts("network", "admit", str(file))["proposal"])
    (asked,) = run("proposals", "--url", network["south"].url, "--json").json
    assert told["fingerprint"] in asked["says"][0]
    for name in ("south", "lab"):
        network[name].acts("vote", proposal)
    wait_for(lambda: status_of(north, proposal) == "applied")

    identity = north.get("/v1/status")["network"]
    words = ["network", "join", str(clinic.config), "--from", f"https://127.0.0.1:{north.peer}"]
    wrong = run(*words, "--network", "00" * 32)
    assert (65, True) == (wrong.code, "NetworkDiffers" in wrong.err)
    data_of(run(*words, "--network", identity))
    clinic.start()
    wait_level(running(network))
    assert "no" == clinic.standing()["voting"]

    words = ["propose", "set-power", "--member", told["member"], "--power", "10"]
    decide(north, words, [network[name] for name in FOUNDERS[1:]])
    wait_for(lambda: clinic.standing().get("voting") == "yes", clinic.said)
    wait_for(lambda: row(north, "clinic")["address"] and row(north, "clinic")["certificates"])
    status = run("network", "status", "--data", str(north.folder), "--json").json
    powers = {one["name"]: one["power"] for one in status["elsewhere"]}
    assert {"South": 10, "Lab": 10, "Insurer": 10, "Clinic": 10} == powers


def test_keys_change_without_losing_the_seat(network: dict[str, OwnMachine]) -> None:
    """Node, service and transaction key: on the ledger, taken, the old ones retired."""
    south, north = network["south"], network["north"]
    member = row(north, "south")
    before = {use: member["keys"][use] for use in ("1", "4", "6")}
    node = south.opens("keys", "rotate", "node", str(south.config), "--json")
    wait_for(lambda: key_of(south, "node_key") == node["new"], south.said)
    wait_for(lambda: south.standing().get("voting") == "yes", south.said)
    for use in ("service", "transaction"):
        south.opens("keys", "rotate", use, str(south.config), "--json")
    assert 0 == south.stop()
    south.start()
    wait_level(running(network))
    for use in ("node", "service", "transaction"):
        south.opens("keys", "retire", use, str(south.config), "--json")
    after = row(north, "south")

    assert member["id"] == after["id"]
    assert [1, 1, 1] == [len(after["keys"][use]) for use in before]
    assert all(before[use] != after["keys"][use] for use in before)
    wait_for(lambda: 1 == len(row(north, "south")["certificates"]))
    assert south.operate("POST", "/practitioners", json={"name": "Dr B. Olsen"})["id"]
    wait_level(running(network))
    wait_for(lambda: south.standing().get("voting") == "yes", south.said)


def key_of(member: OwnMachine, name: str) -> str:
    """What `salus node show` says."""
    return str(member.opens("node", "show", str(member.config), "--json")[name])


def test_a_member_leaves_and_its_copies_are_safe(network: dict[str, OwnMachine]) -> None:
    """Suspended by vote, its copies made elsewhere, removed; who does not stop is dropped."""
    insurer, north = network["insurer"], network["north"]
    (bundle,) = samples.bundles(1)
    told = north.operate("POST", "/import/fhir", files=[("documents", bundle)])
    assert [] == told["refused"]
    assert 0 == insurer.stop()
    insurer.start(STAYS)
    wait_level(running(network))
    member = row(north, "insurer")["id"]
    proposal = str(insurer.acts("network", "leave")["proposal"])
    others = [one for one in running(network) if one is not insurer]
    for one in others[:3]:
        wait_for(lambda one=one: _knows(one, proposal))  # type: ignore[misc]  # bound now
        one.acts("vote", proposal)
    wait_for(lambda: row(north, "insurer")["status"] == "suspended")
    wait_for(lambda: insurer.standing().get("voting") == "no", insurer.said)
    wait_for(lambda: all([] == vault_of(one)["lacking"] for one in others))
    assert all(vault_of(one)["held"] for one in others[:3])

    decide(north, ["propose", "remove", "--member", member], others[1:3])
    wait_for(lambda: all(3 == one.standing().get("peers") for one in others), north.said)
    insurer.kill()
    insurer.start()
    assert 65 == insurer.wait_end()
    assert "MemberRemoved" in insurer.said()
    wait_level(running(network))


STAYS = "from salus.doors.member import life; life.Life.end = lambda _: None; "
"""A removed member's program that does not care."""


def vault_of(member: OwnMachine) -> Any:
    """What `salus vault status` says."""
    where = ["--as", member.name, "--url", member.url, "--data", str(member.folder)]
    return run("vault", "status", *where, "--json").json


VERSION_2 = "import salus.machine.execute as rules; rules.VERSION = 2; "
"""The same program, knowing rules of one more version."""


def test_members_are_upgraded_one_by_one_under_load(network: dict[str, OwnMachine]) -> None:
    """Whatever was acknowledged meanwhile stands; who lacks the voted rules stops before them."""
    members = running(network)
    *newer, older = members
    with Load(members) as load:
        for one in newer:
            load.without = one
            assert 0 == one.stop()
            one.start(VERSION_2)
            wait_level(members)
            wait_for(lambda one=one: one.standing().get("voting") == "yes", one.said)  # type: ignore[misc]  # bound now
    wait_level(members)
    path = "/v1/members/practitioner?practitioner_id="
    assert load.acknowledged
    assert all(older.get(path + person)["value"] for person in load.acknowledged)

    decide(newer[0], ["propose", "upgrade", "--version", "2"], newer[1:])
    assert 69 == older.wait_end()
    assert "rules are of version 2" in older.said()
    wait_level(newer)
    older.start(VERSION_2)
    wait_level(members)


LOAD_PAUSE_S = 0.3
"""Between two registrations: all of them are looked for at the end."""


class Load:
    """Registers people at members in turn, one after another, and keeps who was acknowledged."""

    def __init__(self, members: Sequence[OwnMachine]) -> None:
        self._members = members
        self.without: OwnMachine | None = None
        self.acknowledged: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        for number, member in enumerate(itertools.cycle(self._members)):
            if self._stopping.wait(LOAD_PAUSE_S):
                return
            if member is self.without:
                continue
            try:
                body = {"name": f"Dr {number}"}
                self.acknowledged.append(member.operate("POST", "/practitioners", json=body)["id"])
            except (httpx.HTTPError, AssertionError):
                """No acknowledgement: the node stops, or its network waits."""
