"""What CometBFT finds in its folder."""

import base64
import json
import stat
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

from salus.base.signing import SigningKey
from salus.node.comet.home import CometHome, genesis_document
from salus.node.comet.validators import node_id
from salus.node.ledger import Ledger
from tests.conformance.abci.chain import NetworkChain
from tests.support.ledgers import MACHINE, SEGMENT_BYTES


@pytest.fixture
def home(tmp_path: Path) -> CometHome:
    """A folder that is not there yet."""
    return CometHome(tmp_path / "comet", "127.0.0.1:26656", ("aa@127.0.0.1:1", "bb@127.0.0.1:2"))


def test_a_node_key_is_made_once_and_kept(home: CometHome) -> None:
    """Made anew it could vote twice at a height."""
    first = home.node_key()
    state = home.folder / "data" / "priv_validator_state.json"
    state.write_text('{"height": "9", "round": 0, "step": 3}')

    assert first.public == home.node_key().public
    assert "9" == json.loads(state.read_text())["height"]


def test_both_key_files_hold_the_key_in_comets_form(home: CometHome) -> None:
    """Seed ‖ public in base64, the address in capitals, readable by the owner alone."""
    key = SigningKey(bytes(range(32)))
    home.put_key(key)
    config = home.folder / "config"
    validator = json.loads((config / "priv_validator_key.json").read_text())
    node = json.loads((config / "node_key.json").read_text())
    secret = base64.b64decode(validator["priv_key"]["value"])

    assert bytes(range(32)) + key.public[1:] == secret
    assert validator["priv_key"] == node["priv_key"]
    assert sha256(key.public[1:]).hexdigest()[:40].upper() == validator["address"]
    assert node_id(key.public).upper() == validator["address"]
    for name in ("priv_validator_key.json", "node_key.json"):
        assert 0o600 == stat.S_IMODE((config / name).stat().st_mode)


def test_the_settings_hold_what_safety_rests_on(home: CometHome) -> None:
    """Sockets instead of ports, known peers alone, and a network that can start again."""
    home.node_key()
    settings = tomllib.loads(home._settings(home.peers))

    assert f"unix://{home.abci_socket}" == settings["proxy_app"]
    assert f"unix://{home.rpc_socket}" == settings["rpc"]["laddr"]
    assert settings["filter_peers"]
    assert not settings["p2p"]["pex"]
    assert "aa@127.0.0.1:1,bb@127.0.0.1:2" == settings["p2p"]["persistent_peers"]
    assert 0 == settings["consensus"]["double_sign_check_height"]
    assert not settings["consensus"]["create_empty_blocks"]


def test_the_genesis_file_tells_of_the_ledger(tmp_path: Path) -> None:
    """Chain id, validators and height are those of our own genesis; equal at every member."""
    chain = NetworkChain()
    documents = set()
    for name in ("one", "two"):
        ledger = Ledger.open(tmp_path / name, MACHINE, chain.genesis, segment_bytes=SEGMENT_BYTES)
        documents.add(genesis_document(ledger))
        ledger.close()
    (data,) = documents
    document = json.loads(data)

    assert f"salus-{chain.network.hex()[:16]}" == document["chain_id"]
    assert "2025-11-24T16:00:00.000Z" == document["genesis_time"]
    assert {"height": 0, "network": chain.network.hex()} == document["app_state"]
    assert sorted(one.node.public[1:] for one in chain.members) == [
        base64.b64decode(one["pub_key"]["value"]) for one in document["validators"]
    ]


def test_a_start_that_is_to_sync_has_a_section_more(home: CometHome, tmp_path: Path) -> None:
    """The next start without it writes the settings anew: a node that has a ledger never syncs."""
    genesis = NetworkChain().genesis
    ledger = Ledger.open(tmp_path / "ledger", MACHINE, genesis, segment_bytes=SEGMENT_BYTES)
    config = home.folder / "config" / "config.toml"
    home.write(ledger, {"statesync": {"enable": True, "trust_height": 7}})
    assert {"enable": True, "trust_height": 7} == tomllib.loads(config.read_text())["statesync"]
    assert home.temporary.is_dir()

    home.write(ledger)
    assert "statesync" not in tomllib.loads(config.read_text())
    ledger.close()


def test_blocks_are_forgotten_keys_and_the_newest_vote_are_not(home: CometHome) -> None:
    """Also where nothing is there to forget: keys put back from a copy come without blocks."""
    key = home.node_key().public
    (home.folder / "data" / "blockstore.db").mkdir()
    home.forget_blocks()
    assert ["priv_validator_state.json"] == [one.name for one in (home.folder / "data").iterdir()]
    assert key == home.node_key().public
    CometHome(home.folder / "new", home.listen).forget_blocks()
