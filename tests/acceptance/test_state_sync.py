"""
One of four members loses its disk and is back by CometBFT's state sync, past a member that lies.

The liar offers a newer snapshot whose state nobody signed, and altered chunks of the true one.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from salus.base import proof_file
from salus.base.proof_file import CometAnchor
from salus.doors.demo import samples
from salus.doors.network.standing import Observer
from salus.node.comet import rpc
from tests.campaign.network.members import Members, Part
from tests.support.live import LIVE
from tests.support.live_network import PROGRAM, Network, wait_for

pytestmark = LIVE

SNAPSHOT_BLOCKS = 10
LOST, LIAR = "lab", "insurer"

MANY_CHUNKS = """
from salus.node import snapshots
snapshots.CHUNK_BYTES = 1
"""
"""At all members: a row a chunk, so that every member is asked for some."""

LIES = """
import msgspec
from salus.base import codec
from salus.node.snapshots import Snapshots, read_meta
heights, meta, chunk = Snapshots.heights, Snapshots.meta, Snapshots.chunk

def one_more(self):
    true = heights(self)
    return [true[0] + 1, *true] if true else true

def false_meta(self, height):
    if height in heights(self):
        return meta(self, height)
    true = read_meta(meta(self, height - 1))
    return codec.encode(msgspec.structs.replace(true, height=height, state=bytes(32)))

Snapshots.heights, Snapshots.meta = one_more, false_meta
Snapshots.chunk = lambda self, height, index: bytes(reversed(chunk(self, height, index)))
"""


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    """Four, one of whom lies about snapshots."""
    made = Members(Network(tmp_path))
    for name in made.places:
        made.preludes[name] = MANY_CHUNKS
        config = made.config(name)
        few = f"[ledger]\nsnapshot_blocks = {SNAPSHOT_BLOCKS}\n"
        config.write_text(config.read_text().replace("[ledger]\n", few))
    made.preludes[LIAR] += LIES
    with made:
        yield made


def test_a_wiped_member_is_back_by_a_snapshot(members: Members) -> None:
    """
    It votes again with the others' app hash; its vault and its history are made whole.

    Killed while it takes the snapshot, it begins anew at the next start, which is told nothing.
    """
    network = members.network
    bundle = min(samples.bundles(2), key=lambda one: len(one[1]))
    told = network.operate("north", "POST", "/import/fhir", files=[("documents", bundle)])
    assert [] == told["refused"]
    make_blocks(members)
    home = network.folder / LOST / "node"
    held = containers(home)
    assert held

    members.kill(LOST, Part.BOTH)
    shutil.rmtree(home)
    assert 0 == network.salus("network", "rejoin", LOST, "--fast").returncode
    members.start(LOST)
    wait_for(lambda: "state_sync.begun" in members.log(LOST).read_text())
    members.kill(LOST, Part.BOTH)
    members.start(LOST)
    members.wait_ready(LOST)

    assert "complete" != status(members)["history"]
    members.wait_level()
    wait_for(lambda: votes(members))
    height = status(members)["height"]
    assert app_hash(network, "north", height) == app_hash(network, LOST, height)
    assert 1 < earliest_block(members)
    said = members.log(LOST).read_text()
    liar = network.get(LIAR, "/v1/status")["member"]
    assert names(said, "state_sync.offer_rejected", liar)
    assert names(said, "state_sync.sender_rejected", liar)
    wait_for(lambda: held == containers(home))
    act(members)
    members.wait_level()
    newest = range(network.height(), earliest_block(members) - 1, -1)
    assert proved_by_votes(network, first_transaction(network, newest))

    wait_for(lambda: status(members)["history"] == "complete after the next start")
    assert [0] == members.stop(LOST)
    members.start(LOST)
    members.wait_ready(LOST)
    assert "complete" == status(members)["history"]
    assert app_hash(network, "north", 1) == app_hash(network, LOST, 1)
    assert proved_by_votes(network, first_transaction(network, range(1, SNAPSHOT_BLOCKS)))
    assert [0] == members.stop(LOST)
    audited = subprocess.run(
        [sys.executable, "-c", PROGRAM, "audit", home], capture_output=True, check=False
    )
    assert 0 == audited.returncode, audited.stdout.decode() + audited.stderr.decode()


def make_blocks(members: Members) -> None:
    """Until there are two snapshots, and a few blocks above the newest."""
    while not (
        (height := members.height("north")) > 2 * SNAPSHOT_BLOCKS
        and 4 <= height % SNAPSHOT_BLOCKS <= SNAPSHOT_BLOCKS - 3
    ):
        act(members)


def act(members: Members) -> None:
    """A transaction in a block, and CometBFT's block that confirms it."""
    body = {"name": f"Dr {members.height('north')}"}
    members.network.operate("south", "POST", "/practitioners", json=body)


def containers(home: Path) -> set[str]:
    """Names of what a member's vault holds."""
    return {path.name for path in (home / "vault").rglob("*") if path.is_file()}


def status(members: Members) -> dict[str, Any]:
    """The lost member's own."""
    found: dict[str, Any] = members.network.get(LOST, "/v1/status")
    return found


def votes(members: Members) -> bool:
    """Whether the lost member's CometBFT is one of the validators, and level."""
    with Observer(list(members.places.values())) as observer:
        standings = observer.standings()
        return "yes" == standings[LOST].voting and [] == observer.differences(standings)


def app_hash(network: Network, name: str, height: int) -> str:
    """Of a block, at a member."""
    return str(network.get(name, f"/v1/blocks/{height}")["app_hash"])


def first_transaction(network: Network, heights: range) -> str:
    """Of the first of these blocks that has one, as another member has it."""
    blocks = (network.get("north", f"/v1/blocks/{height}") for height in heights)
    return next(str(one["id"]) for block in blocks for one in block["transactions"])


def proved_by_votes(network: Network, transaction: str) -> bool:
    """Whether the lost member proves it by the validators' votes, from the first set on."""
    answer = httpx.get(network.url(LOST) + f"/v1/transactions/{transaction}/proof", timeout=30)
    assert answer.is_success, answer.text
    return isinstance(proof_file.parse(answer.content).anchor, CometAnchor)


def earliest_block(members: Members) -> int:
    """The first block in the lost member's CometBFT."""
    home = members.places[LOST].comet
    assert home is not None
    told: dict[str, Any] = rpc.ask(home.rpc_socket, "status", dict)
    return int(told["sync_info"]["earliest_block_height"])


def names(said: str, event: str, member: str) -> bool:
    """Whether a log has a line of this event with this member."""
    return any(event in line and member in line for line in said.splitlines())
