"""
Bad input to a member's start: each ends in one sentence with a remedy, and the right exit code.

64, 65 and 69 mean that a person has to look first, 70 and 75 that a supervisor may try again.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import structlog

from salus.chain import machine
from salus.doors.cli.main import main
from salus.doors.member.layout import Seat, lay_out
from salus.machine.transaction import sign
from salus.node.folder_lock import FolderLock
from salus.node.journal_format import SEGMENT_MAGIC
from salus.node.keys import load_keys
from salus.node.ledger import Ledger
from salus.node.settings import read_settings
from tests.campaign.full_disk import can_mount
from tests.support.ledgers import add_block, term
from tests.support.member_processes import PROGRAM, MemberProcesses, free_ports, member_processes

SMALL_DISK_BYTES = 48 * 1024 * 1024
"""Less than a start needs."""


@dataclass
class Member:
    """North, laid out with a ledger that has no block yet."""

    folder: Path
    stack: ExitStack
    """What a case leaves behind, undone at its end."""

    @property
    def config(self) -> Path:
        return self.folder / "north.toml"

    @property
    def node(self) -> Path:
        return self.folder / "north" / "node"

    @property
    def genesis(self) -> bytes:
        return (self.folder / "genesis.json").read_bytes()


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of four, North's ledger made; copied for each case."""
    folder = tmp_path_factory.mktemp("laid-out")
    seats = [
        Seat(name, *ports)
        for name, ports in zip(("north", "south", "lab", "insurer"), free_ports(4), strict=True)
    ]
    lay_out(folder, seats, f"segment_bytes = {2**20}\nverify_workers = 0\n")
    genesis = (folder / "genesis.json").read_bytes()
    Ledger.open(folder / "north" / "node", machine(), genesis, segment_bytes=2**20).close()
    return folder


@pytest.fixture
def member(laid_out: Path, tmp_path: Path) -> Iterator[Member]:
    """A member of its own for one case."""
    shutil.copytree(laid_out, tmp_path / "demo")
    with ExitStack() as stack:
        stack.callback(structlog.reset_defaults)  # a command logs to this test's own stderr
        yield Member(tmp_path / "demo", stack)


def start(member: Member) -> int:
    """`salus node run`, which must not come up; the exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["node", "run", str(member.config)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def with_block(member: Member) -> None:
    """A ledger with one block."""
    keys = load_keys(member.folder / "keys" / "north", passphrase=None, demo=True)
    with closing(Ledger.open(member.node, machine(), member.genesis)) as ledger:
        until_ms = ledger.tip.time_ms + 60_000
        add_block(
            ledger, sign(ledger.network, keys.transaction, [term(1)], nonce=0, until_ms=until_ms)
        )
        assert 0 == ledger.receipts(1).receipts[0].code


def unknown_setting(member: Member) -> None:
    """A collector's address that is none."""
    with member.config.open("a") as file:
        file.write("\n[telemetry]\ntraces = 'nowhere'\n")


def no_genesis(member: Member) -> None:
    """Not copied."""
    (member.folder / "genesis.json").unlink()


def another_genesis(member: Member) -> None:
    """A millisecond later: another network."""
    path = member.folder / "genesis.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "time_ms": told["time_ms"] + 1}, indent=2) + "\n")


def folder_in_use(member: Member) -> None:
    """By another process of this member."""
    member.stack.callback(FolderLock(member.node).release)


def port_in_use(member: Member) -> None:
    """The API's."""
    settings = read_settings(member.config).settings
    member.stack.enter_context(socket.create_server((settings.door.host, settings.door.port)))


def peer_port_in_use(member: Member) -> None:
    """The peer door's: then the API does not open either."""
    door = read_settings(member.config).settings.peer_door
    member.stack.enter_context(socket.create_server((door.host, door.port)))


def journal_of_another_version(member: Member) -> None:
    """Its CRC fits: no damage."""
    with_block(member)
    (segment,) = (member.node / "journal").glob("*.seg")
    data = bytearray(segment.read_bytes())
    assert data.startswith(SEGMENT_MAGIC)
    data[:8] = b"SALUSJ1\n"
    data[124:128] = crc32(bytes(data[:124])).to_bytes(4, "big")
    segment.write_bytes(bytes(data))


def another_program(member: Member) -> None:
    """The journal holds a block that this program gives another state."""
    with_block(member)
    shutil.rmtree(member.node / "state")
    patch = pytest.MonkeyPatch()
    patch.setattr("salus.modules.audit.handlers.rules.is_term", lambda *_: False)
    member.stack.callback(patch.undo)


def another_genesis_after_a_block(member: Member) -> None:
    """Then the journal says it first."""
    with_block(member)
    another_genesis(member)


def no_keys(member: Member) -> None:
    """The folder of keys was not put back."""
    shutil.rmtree(member.folder / "keys" / "north")


def wrong_certificate_file(member: Member) -> None:
    """Another file under its name."""
    (member.folder / "south.crt").write_bytes(b"no certificate")


CASES: dict[str, tuple[Callable[[Member], None], int, str, str]] = {
    "unknown setting": (unknown_setting, 65, "SettingsMalformed", "docs/guides/operate.md"),
    "no genesis": (no_genesis, 65, "GenesisMissing", "expected the network's genesis"),
    "another genesis": (another_genesis, 65, "GenesisDiffers", "start with the genesis file all"),
    "another genesis, after a block": (
        another_genesis_after_a_block,
        65,
        "GenesisDiffers",
        "start with the genesis file all",
    ),
    "no keys": (no_keys, 65, "KeyFileMissing", "expected"),
    "a peer's certificate is none": (wrong_certificate_file, 65, "CertificateMalformed", "expect"),
    "folder in use": (folder_in_use, 75, "FolderInUse", "stop"),
    "port in use": (port_in_use, 75, "PortInUse", "or choose another port"),
    "peer port in use": (peer_port_in_use, 75, "PortInUse", "or choose another port"),
    "journal of another version": (
        journal_of_another_version,
        69,
        "FormatUnknown",
        "start the version that wrote it",
    ),
    "wrong app hash": (another_program, 70, "block 1: expected app hash", "run `salus audit`"),
}


@pytest.mark.parametrize(("spoil", "code", "name", "remedy"), CASES.values(), ids=CASES.keys())
def test_a_bad_start_is_one_sentence_and_the_right_exit_code(
    member: Member,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Member], None],
    code: int,
    name: str,
    remedy: str,
) -> None:
    """The name, what was expected, what to do; no trace of Python; nothing is set aside."""
    spoil(member)
    found = start(member)
    said = " ".join(capsys.readouterr().err.split())

    assert (code, True, True) == (found, name in said, remedy in said), said
    assert "Traceback" not in said
    assert not (member.node / "state.damaged").exists()


def test_a_program_of_another_line_is_named(
    member: Member, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CometBFT of another version than this one speaks: exit 69, both versions."""
    monkeypatch.setenv("SALUS_COMETBFT", shutil.which("true") or "")
    with pytest.raises(SystemExit) as ended:
        main(["network", "up", "--data", str(member.folder / "network")])

    assert 69 == ended.value.code
    assert "expected a program of version 0.39.x" in " ".join(capsys.readouterr().err.split())


@pytest.mark.skipif(not can_mount(), reason="this kernel lets no process have mounts of its own")
def test_a_full_disk_is_no_damage(member: Member, tmp_path: Path) -> None:
    """With less room than a start needs it ends before it opens anything: exit 75."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = """
        mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3" "$2/demo" && cd "$2/demo" || exit 1
        find north -type f | sort > before
        "$4" -c "$5" node run north.toml; code=$?
        find north -type f | sort | diff before - || exit 2
        exit $code
    """
    words = [str(SMALL_DISK_BYTES), disk, member.folder, sys.executable, PROGRAM]
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *words],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 75 == ran.returncode, ran.stdout + ran.stderr
    assert "StorageFull: expected 67108864 bytes free" in " ".join(ran.stderr.split())


@pytest.fixture
def network(tmp_path: Path) -> Iterator[MemberProcesses]:
    """Four members' configurations; who runs is the test's to say."""
    with member_processes(tmp_path) as network:
        yield network


def waits(network: MemberProcesses, name: str, problem: str) -> dict[str, Any]:
    """The line in which a member's copy says that it waits because of this, once it is there."""
    end_s = time.monotonic() + 60
    while True:
        whole, _, _ = (network.folder / f"{name}.log").read_text().rpartition("\n")
        for line in whole.splitlines():
            if "replica.waits" in line and problem in line:
                told: dict[str, Any] = json.loads(line)
                return told
        assert time.monotonic() < end_s, network.log(name)
        time.sleep(0.1)


@pytest.mark.slow
def test_who_is_of_another_network_or_trusts_another_is_told(network: MemberProcesses) -> None:
    """A follower says in its log whom it cannot follow and why, and goes on asking."""
    genesis = network.folder / "genesis.json"
    told = json.loads(genesis.read_text())
    other = network.folder / "other.json"
    other.write_text(json.dumps({**told, "time_ms": told["time_ms"] + 1}, indent=2) + "\n")
    south, lab = network.config("south"), network.config("lab")
    south.write_text(south.read_text().replace("genesis.json", "other.json"))
    # In the place of North's certificate stands one that nobody shows.
    lab.write_text(lab.read_text().replace('"north.crt"', '"insurer.crt"'))
    network.start("north", "--new")
    network.start("south")
    network.start("lab")
    network.wait_ready("north", "south", "lab")

    stranger = waits(network, "south", "NetworkWrong")
    untrusted = waits(network, "lab", "PeerUntrusted")

    assert ["warning", "warning"] == [stranger["level"], untrusted["level"]]
    assert "compare both genesis files" in stranger["reason"]
    assert "expected certificate" in untrusted["reason"]
    assert [0, 0, 0] == [network.stop(name) for name in ("lab", "south", "north")]
