"""The configuration file: what it takes, and that a slip is a sentence, not a default."""

from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.node import tls
from salus.node.directory import Reached
from salus.node.settings import SETTINGS_BYTES_MAX, read_settings
from tests.support.machine import GENESIS_MS

MINIMAL = """
[member]
name = "north"
folder = "data"
keys = "keys"
genesis = "genesis.json"
orderer = "000102030405060708090a0b0c0d0e0f"
[peer_door]
url = "https://north.example:9443"
"""

PEER = """
[[peers]]
member = "ffffffffffffffffffffffffffffffff"
url = "https://south.example"
certificates = ["south.crt"]
"""


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_the_least_that_must_stand_there(tmp_path: Path) -> None:
    """Everything else has a default; paths start from the file's folder."""
    place = read_settings(write(tmp_path, MINIMAL))

    assert tmp_path / "data" == place.home
    assert bytes(range(16)) == place.orderer
    assert ("127.0.0.1", 8080) == (place.settings.door.host, place.settings.door.port)
    assert 9443 == place.settings.peer_door.port
    assert 10_000 == place.settings.ledger.snapshot_blocks
    assert {} == place.reached()


def test_peers_are_read_with_their_certificates(tmp_path: Path) -> None:
    """From files beside the configuration."""
    certificate = tls.make_certificate(SigningKey.random(), bytes(16), GENESIS_MS)
    (tmp_path / "south.crt").write_bytes(certificate)
    place = read_settings(write(tmp_path, MINIMAL + PEER))

    assert {b"\xff" * 16: Reached("https://south.example", (certificate,))} == place.reached()


WRONG = {
    "no TOML": "member",
    "a missing table": MINIMAL.partition("[peer_door]")[0],
    "a missing setting": MINIMAL.replace('keys = "keys"\n', ""),
    "a misspelt setting": MINIMAL + "[door]\nprot = 8080\n",
    "an unknown table": MINIMAL + "[dor]\n",
    "a port out of range": MINIMAL + "[door]\nport = 70000\n",
    "a member's id too short": MINIMAL.replace("000102030405060708090a0b0c0d0e0f", "00"),
    "a name with a slash": MINIMAL.replace('"north"', '"no/rth"'),
    "a plain address": MINIMAL.replace("https://north", "http://north"),
    "a peer twice": MINIMAL + PEER + PEER,
    "a peer without certificates": MINIMAL + PEER.replace('"south.crt"', ""),
    "too many bytes": MINIMAL + "#" * SETTINGS_BYTES_MAX,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_slip_is_refused(tmp_path: Path, text: str) -> None:
    """Never a start with a setting that nobody chose."""
    with pytest.raises(Problem, match="SettingsMalformed: expected "):
        read_settings(write(tmp_path, text))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """By the name that was given, without the folder."""
    with pytest.raises(Problem, match=r"SettingsMissing: .* at none\.toml"):
        read_settings(tmp_path / "none.toml")
