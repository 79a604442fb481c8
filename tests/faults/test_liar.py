"""
One member of four that lies (T9): it stops nobody, gets nothing past the others, and is named.

`python -m tools.campaign liar --cycles 1000` runs the first of these for a thousand blocks.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from salus.doors.demo import samples
from tests.campaign.double_voter import voting_twice, wait_for_evidence
from tests.campaign.liar import (
    HONEST,
    LIAR,
    Lies,
    Trial,
    check_codes,
    check_rejections,
    gather,
    prelude,
)
from tests.campaign.lies import REJECTED
from tests.campaign.network.members import Members
from tests.support.live import LIVE
from tests.support.live_network import Network, wait_for

BLOCKS = 24
"""Of lies under load, beside those of the import, before the app hash goes wrong too."""

EVIDENCE_S = 120.0
"""20 and 35 s were measured at a load of 20 on two cores, the second node's start with it."""

pytestmark = LIVE


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Four members; the laboratory lies from its first block on, and its vault stores nothing."""
    members = Members(Network(tmp_path_factory.mktemp("liar")))
    members.preludes[LIAR] = prelude(3) + "liar_app.store_nothing()\n"
    with members:
        made = Trial(members, 3)
        yield made
        made.close()


def vault(trial: Trial, command: str) -> tuple[int, dict[str, Any]]:
    """`salus vault …` at North: exit code and what it says."""
    network = trial.members.network
    words = ("vault", command, "--as", "north", "--url", network.url("north"), "--json")
    ran = network.salus(*words)
    return ran.returncode, msgspec.json.decode(ran.stdout)


def give_and_open(trial: Trial) -> list[Any]:
    """A patient comes to North, shares everything with South, who opens it."""
    network = trial.members.network
    [(name, data)] = samples.bundles(1)
    files = [("documents", (name, data))]
    report = network.operate("north", "POST", "/import/fhir", files=files, timeout=300)
    assert [] == report["refused"]
    network.operate("south", "POST", "/practitioners", json={"name": "Dr A. Ivers"})
    patients = network.operate("north", "GET", "/patients")["patients"]
    body = {
        "patient": patients[0]["handle"],
        "to": network.get("south", "/v1/status")["member"],
        "compartments": ["labs", "vitals"],
        "for_hours": 24,
    }
    grant = network.operate("north", "POST", "/grants", json=body)["grant"]
    chart = network.operate("south", "GET", f"/charts/{grant}", timeout=120)
    assert [] == chart["unopened"]
    return list(chart["records"])


def test_a_liar_stops_nobody_and_is_named(trial: Trial) -> None:
    """
    Unlawful proposals, turned votes, rubbish, false handshakes, receipts for nothing, a wrong hash.

    The others agree block by block and lose nothing that was acknowledged; each kind of lie was
    told; who voted a proposal down named the liar; the record opens without its copy.
    """
    lies = Lies()
    member = trial.members.network.get(LIAR, "/v1/status")["member"]
    assert give_and_open(trial)
    probed, told = vault(trial, "probe")
    with trial.load.running():
        trial.lie_for(BLOCKS)
        spoilt = trial.spoil()
        named = trial.name_liar(spoilt)
    lies.blocks = trial.look()
    check_codes(trial.members.network, lies.blocks, lies)
    gather(trial.members.folder, trial.load, lies)
    check_rejections(trial.members.folder, lies)

    assert 65 == probed
    assert {member} == {one["member"] for one in told["unproven"]}
    assert spoilt == named
    assert lies.acknowledged > BLOCKS
    assert lies.rejected
    assert lies.told.keys() & REJECTED.keys()
    assert {"spread", "shook_hands", "hashed"} <= lies.told.keys()


def test_two_votes_of_one_key_are_evidence_that_names_the_member(trial: Trial) -> None:
    """
    A second node with the same validator key: the ledger records it, status says who and when.

    The liar, honest again, has fetched what it signed receipts for, so no receipt is empty.
    """
    trial.begin_anew("")
    members = trial.members
    member = members.network.get(LIAR, "/v1/status")["member"]
    with trial.load.running(), voting_twice(members, LIAR):
        block, _ = wait_for_evidence(members, HONEST[0], EVIDENCE_S)
        trial.look()
        wait_for(lambda: not members.network.operate(LIAR, "GET", "/vault")["lacking"])
    code, told = members.network.status()
    said = members.network.salus("network", "status")
    healed = vault(trial, "probe")

    assert 0 == code
    assert {(LIAR, member, "duplicate_vote")} == {
        (one["name"], one["member"], one["kind"]) for one in told["evidence"]
    }
    assert block in {one["block"] for one in told["evidence"]}
    assert all(one["height"] < one["block"] for one in told["evidence"])
    assert f"{LIAR} ({member}) was caught voting twice".encode() in said.stderr
    assert (0, []) == (healed[0], healed[1]["unproven"])
