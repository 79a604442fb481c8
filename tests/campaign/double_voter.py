"""
A member that votes twice: two nodes with one validator key, each a real CometBFT with its own name.

A member may have two node keys at a time, and both may connect. The laboratory adds a second one,
gives it to its own node as the key that votes, and to a second node, which votes against every
proposal. Two votes of one height and round then go round: evidence that CometBFT finds by itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.client.submit import NONCE_USED
from salus.doors.cli.acts import submit
from salus.doors.cli.site import Site
from salus.modules.members import rules
from salus.modules.members.messages import AddKey
from salus.modules.members.state import NODE
from salus.node.comet.home import CometHome
from salus.node.keys import load_keys
from tests.campaign.network.members import Members, Part
from tests.support.live_network import PROGRAM
from tests.support.port_row import free_row

SECOND = "second"
"""Folder of the second node, beside the members'."""

PRELUDE = "from tests.campaign import liar_app\nliar_app.vote_nil()\n"

PORTS = 3
"""API, peer door, CometBFT."""

TRIES = 5
PAUSE_S = 1.0


@contextmanager
def voting_twice(members: Members, name: str) -> Iterator[None]:
    """While the block runs, the member's validator key votes at two nodes; the second is killed."""
    key = SigningKey.random()
    first_port = free_row(PORTS)  # while the member still holds its own
    _add_node_key(members, name, key)
    members.kill(name, Part.BOTH)
    home = members.places[name].comet
    assert home is not None
    _give_vote(home, key)
    members.start(name)
    config = _lay_out_second(members.folder, name, key, first_port)
    with (config.parent / "second.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + PROGRAM, "node", "run", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_evidence(members: Members, witness: str, seconds: float) -> tuple[int, float]:
    """Until a block at a member says who misbehaved: its height, and how long it took."""
    began_s = time.monotonic()
    height = members.height(witness)
    while True:
        for block in range(height, members.height(witness) + 1):
            events = members.network.get(witness, f"/v1/blocks/{block}")["events"]
            if any(one["event"] == "members.misbehaved" for one in events):
                return block, time.monotonic() - began_s
            height = block + 1
        took_s = time.monotonic() - began_s
        assert took_s < seconds, f"no evidence in {took_s:.0f} s, up to height {height}"
        time.sleep(0.2)


def _add_node_key(members: Members, name: str, key: SigningKey) -> None:
    """The member's newest node key is its validator's from two blocks later."""
    own = load_keys(members.folder / "keys" / name, demo=True)
    network = bytes.fromhex(members.network.get(name, "/v1/status")["network"])
    proof = key.sign(rules.add_key_bytes(network, own.member, NODE, key.public))
    message = AddKey(use=NODE, key=key.public, proof=proof)
    for attempt in range(TRIES):
        try:
            ended = submit(Site(members.network.url(name)), own.transaction, message)
        except Problem as problem:
            # The member itself may use the same nonce at the same time.
            if problem.name != NONCE_USED or attempt == TRIES - 1:
                raise
            time.sleep(PAUSE_S)
        else:
            assert ended["code"] == 0, ended
            return


def _give_vote(home: CometHome, key: SigningKey) -> None:
    """Let a stopped node vote by another key, and keep its name among its peers."""
    name_file = home.folder / "config" / "node_key.json"
    name = name_file.read_bytes()
    home.put_key(key)
    name_file.write_bytes(name)


def _lay_out_second(folder: Path, name: str, key: SigningKey, first_port: int) -> Path:
    """A second node of the member in a folder of its own: its keys, no ledger, other ports."""
    second = folder / SECOND
    second.mkdir()
    for file in (folder / "genesis.json", *folder.glob("*.crt")):
        shutil.copy(file, second)
    shutil.copytree(folder / "keys" / name, second / "keys" / name)
    listen = f"127.0.0.1:{first_port + 2}"
    CometHome(second / "comet" / name, listen).put_key(key)
    lines = (folder / f"{name}.toml").read_text().splitlines()
    ports = iter((first_port, first_port + 1))
    text = "\n".join(
        f"port = {next(ports)}" if line.startswith("port = ")
        else f'listen = "{listen}"' if line.startswith("listen = ")
        else line
        for line in lines
    )  # fmt: skip
    config = second / f"{name}.toml"
    config.write_text(text + "\n")
    return config
