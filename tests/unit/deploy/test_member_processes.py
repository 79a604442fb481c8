"""Four members as four processes on loopback: real keys, certificates, doors, kills and losses."""

import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.base.limits import PEER_CALL_BYTES_MAX
from salus.base.signing import SigningKey
from salus.doors.demo import samples
from salus.node import tls
from salus.node.ports import RealClock
from tests.support.live import one_at_a_time
from tests.support.member_processes import MemberProcesses, member_processes

pytestmark = [pytest.mark.slow, one_at_a_time]

SNAPSHOT_BLOCKS = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberProcesses]:
    """Four running members that said on the ledger how they are reached, and a physician."""
    folder = tmp_path_factory.mktemp("processes")
    with member_processes(folder, snapshot_blocks=SNAPSHOT_BLOCKS) as network:
        network.start("north", "--new")
        for name in network.names[1:]:
            network.start(name)
        network.wait_ready(*network.names)
        wait_for(lambda: all(one["address"] for one in roster(network)))
        answer = network.operate("south", "POST", "/practitioners", json={"name": "Dr A. Ivers"})
        assert 201 == answer.status_code, answer.text
        yield network


def roster(network: MemberProcesses) -> list[dict[str, Any]]:
    """All members as the first one's door tells them."""
    found: list[dict[str, Any]] = network.get("north", "/v1/members")["members"]
    return found


def wait_for(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for other processes."""
    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def import_one(network: MemberProcesses) -> str:
    """One sample patient at North; the handle. Twice is once."""
    ((name, data),) = samples.bundles(1)
    files = [("documents", (name, data))]
    answer = network.operate("north", "POST", "/import/fhir", files=files)
    assert [] == answer.json()["refused"], answer.text
    (patient,) = network.operate("north", "GET", "/patients").json()["patients"]
    handle: str = patient["handle"]
    return handle


def grant(network: MemberProcesses) -> str:
    """A grant of that patient's labs to South."""
    body = {
        "patient": import_one(network),
        "to": network.member("south").hex(),
        "compartments": ["labs"],
        "for_hours": 24,
    }
    answer = network.operate("north", "POST", "/grants", json=body)
    assert 201 == answer.status_code, answer.text
    found: str = answer.json()["grant"]
    return found


def opened(network: MemberProcesses, given: str) -> int:
    """How many records South opens."""
    answer = network.operate("south", "GET", f"/charts/{given}")
    assert 200 == answer.status_code, answer.text
    return len(answer.json()["records"])


def test_a_record_travels_and_one_killed_stops_nothing(network: MemberProcesses) -> None:
    """Imported here, granted, opened there; with one member killed; which then catches up."""
    given = grant(network)
    count = opened(network, given)

    assert count > 0
    network.kill("lab")
    assert count == opened(network, given)
    assert count == opened(network, grant(network))
    network.start("lab")
    network.wait_ready("lab")
    network.wait_same(*network.names)


def test_a_lost_disk_comes_back_by_snapshot(network: MemberProcesses) -> None:
    """Wiped: the state is there at once, the history follows, and the next start has it whole."""
    given = grant(network)
    wait_for(lambda: any((network.home("north") / "node" / "snapshots").glob("0*")))
    assert 0 == network.stop("lab")
    shutil.rmtree(network.home("lab"))
    network.start("lab", "--fast")
    network.wait_ready("lab")
    status = network.wait_same(*network.names)

    assert "rejoin.restored" in network.log("lab")
    wait_for(lambda: "vault.repaired" in network.log("lab"))
    home = network.home("lab") / "node"
    wait_for((home / "whole" / "complete").exists)
    assert 0 == network.stop("lab")
    network.start("lab")
    network.wait_ready("lab")
    assert not (home / "whole").exists()
    first = [network.get(name, "/v1/blocks/1") for name in ("north", "lab")]
    assert first[0] == first[1]
    assert (status["network"], "complete") == tuple(
        network.status("lab")[name] for name in ("network", "history")
    )
    # Three of four shares are needed: the lost member's own are back.
    network.kill("insurer")
    assert opened(network, given) > 0
    network.start("insurer")
    network.wait_ready("insurer")


GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "operate.md"


def drilled(network: MemberProcesses, name: str, verb: str) -> None:
    """Run the guide's own `tar` command for a member of this network."""
    (command,) = re.findall(rf"tar --{verb} [^`\n]+", GUIDE.read_text())
    here = command.replace("/backup", str(network.folder)).replace(
        "/var/lib/salus", str(network.folder)
    )
    subprocess.run(here.replace("north", name).split(), check=True)


def kept(home: Path) -> dict[str, bytes]:
    """What no other member has, by name."""
    folders = (home / "gateway", home / "node" / "notes", home / "node" / "witness")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def test_a_backup_is_put_back_on_an_empty_disk(network: MemberProcesses) -> None:
    """As the guide says: what was received opens, what was signed is known, the audit is good."""
    given = grant(network)
    count = opened(network, given)
    assert 0 == network.stop("south")
    drilled(network, "south", "create")
    before = kept(network.home("south"))
    shutil.rmtree(network.home("south"))
    drilled(network, "south", "extract")
    assert before == kept(network.home("south"))
    network.start("south", "--fast")
    network.wait_ready("south")
    network.wait_same(*network.names)
    home = network.home("south") / "node"

    assert count == opened(network, given)
    wait_for((home / "whole" / "complete").exists)
    assert 0 == network.stop("south")
    network.start("south")
    network.wait_ready("south")
    assert 0 == network.stop("south")
    audit = network.run("audit", str(home), "--level", "log")
    assert 0 == audit.returncode, audit.stderr
    network.start("south")
    network.wait_ready("south")


def test_members_snapshots_are_equal_and_check(network: MemberProcesses) -> None:
    """Byte for byte at two members, with the app hash that the block has."""
    grant(network)
    network.wait_same(*network.names)
    folders = [network.home(name) / "node" / "snapshots" for name in ("north", "south")]

    def both() -> set[str]:
        names = [{one.name for one in folder.iterdir() if one.name.isdigit()} for folder in folders]
        return names[0] & names[1]

    wait_for(lambda: bool(both()))
    newest = max(both())
    files = [
        {one.name: one.read_bytes() for one in (folder / newest).iterdir()} for folder in folders
    ]
    assert files[0] == files[1]
    ran = network.run("snapshot", "check", str(folders[0] / newest), "--json")
    assert 0 == ran.returncode, ran.stderr
    block = network.get("north", f"/v1/blocks/{int(newest)}")
    assert block["app_hash"] == json.loads(ran.stdout)["app_hash"]


def test_a_stopped_node_makes_a_snapshot(network: MemberProcesses) -> None:
    """Of its newest state, whatever its height."""
    assert 0 == network.stop("insurer")
    ran = network.run("snapshot", "make", str(network.config("insurer")))
    assert 0 == ran.returncode, ran.stderr
    network.start("insurer")
    network.wait_ready("insurer")
    network.wait_same(*network.names)


def test_a_member_goes_on_after_its_orderer_was_killed(network: MemberProcesses) -> None:
    """Reads go on meanwhile, nothing acknowledged is lost, writing resumes."""
    before = network.wait_same(*network.names)
    network.kill("north")

    assert before["app_hash"] == network.status("south")["app_hash"]
    network.start("north")
    network.wait_ready("north")
    assert before["height"] <= network.status("north")["height"]
    assert opened(network, grant(network)) > 0
    network.wait_same(*network.names)


def door(network: MemberProcesses) -> tuple[str, int]:
    """South's peer door."""
    return "127.0.0.1", network.ports["south"][1]


def pinned(network: MemberProcesses) -> ssl.SSLContext:
    """A caller's context for South."""
    return tls.client_context([tls.read_certificate(network.folder / "south.crt")])


def test_the_peer_door_speaks_tls_1_3_only(network: MemberProcesses) -> None:
    """Older versions and plain HTTP get no answer."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(door(network)) as line, pytest.raises(ssl.SSLError):
        old.wrap_socket(line)
    plain = http.client.HTTPConnection(*door(network), timeout=10)
    plain.request("GET", "/health/live")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()
    plain.close()


def test_the_peer_door_shows_the_pinned_certificate(network: MemberProcesses) -> None:
    """A caller that expects another one stops before it sends."""
    other = tls.make_certificate(SigningKey.random(), bytes(16), RealClock().now_ms())
    with (
        socket.create_connection(door(network)) as line,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        tls.client_context([other]).wrap_socket(line)
    with socket.create_connection(door(network)) as line:
        secure = pinned(network).wrap_socket(line)
        assert secure.version() == "TLSv1.3"
        secure.close()


ASKED = {
    "alive": ("GET", "/health/live", b"", 200),
    "the API": ("GET", "/v1/status", b"", 404),
    "the gateway": ("GET", "/south/gateway/v1/patients", b"", 404),
    "metrics": ("GET", "/metrics", b"", 404),
    "no call": ("POST", "/peer/v1/x", b"nothing", 400),
    "another method": ("GET", "/peer/v1/x", b"", 422),
    "an oversized call": ("POST", "/peer/v1/x", None, 413),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), ASKED.values(), ids=ASKED.keys())
def test_the_peer_door_has_one_route(
    network: MemberProcesses, method: str, path: str, body: bytes | None, status: int
) -> None:
    """Signed requests and liveness; a bad one is answered, an oversized one not read."""
    line = http.client.HTTPConnection(*door(network), timeout=20)
    line.sock = pinned(network).wrap_socket(socket.create_connection(door(network)))
    line.putrequest(method, path)
    size = PEER_CALL_BYTES_MAX + 1 if body is None else len(body)
    line.putheader("content-length", str(size))
    line.endheaders(body or b"")
    answer = line.getresponse()

    assert status == answer.status
    answer.read()
    line.close()


def test_slow_callers_are_put_off_while_others_are_served(network: MemberProcesses) -> None:
    """Fifty lines that never end their request: calls go on, and the door closes the lines."""
    context = pinned(network)
    lines = []
    for number in range(50):
        line = socket.create_connection(door(network))
        if number % 2:
            line = context.wrap_socket(line)
            line.sendall(b"POST /peer/v1 HTTP/1.1\r\nhost: x\r\n")
        lines.append(line)
    started_s = time.monotonic()

    assert opened(network, grant(network)) > 0
    assert time.monotonic() - started_s < 10
    for line in lines:
        line.settimeout(20)
        assert b"" == read_all(line)
        line.close()
    assert time.monotonic() - started_s < 25


def read_all(line: socket.socket) -> bytes:
    """What came before the door closed the line, if it is no HTTP answer that says why."""
    try:
        data = line.recv(65_536)
    except (ConnectionError, ssl.SSLError):
        return b""
    return b"" if data.startswith(b"HTTP/1.1 4") else data


def test_a_folder_in_use_is_a_sentence(network: MemberProcesses) -> None:
    """A second process of a member touches nothing, and says what to do."""
    ran = network.run("node", "run", str(network.config("south")))

    assert 75 == ran.returncode
    assert "FolderInUse" in ran.stderr


def test_an_orderer_without_its_folder_begins_no_second_history(
    network: MemberProcesses, tmp_path: Path
) -> None:
    """It recovers every block, and its backup brings the rest; runs last: it stops all members."""
    before = network.wait_same(*network.names)
    network.stop("north")
    kept = tmp_path / "north"
    network.home("north").rename(kept)
    network.start("north", "--new")
    assert 65 == network.wait_end("north")
    assert "LedgerElsewhere" in network.log("north")
    assert 0 == network.run("node", "recover", str(network.config("north"))).returncode
    for folder in ("gateway", "node/witness"):
        shutil.copytree(kept / folder, network.home("north") / folder, dirs_exist_ok=True)
    network.start("north")
    network.wait_ready("north")
    after = network.wait_same(*network.names)

    assert before["height"] <= after["height"]
    assert opened(network, grant(network)) > 0
