"""Networks on one machine without CometBFT: layout, configuration, what is refused and said."""

import json
import os
import socket
from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.doors.demo.comet import CometNetwork
from salus.doors.demo.network import DemoNetwork
from salus.doors.http.plain import event
from salus.doors.member.process import MemberProcess, prepare
from salus.doors.network.layout import lay_out_network, read_network
from salus.doors.network.member import MemberRun, last_words
from salus.doors.network.rejoin import set_ledger_aside
from salus.doors.network.standing import minority, misbehaviour
from salus.doors.network.stopping import stop_network
from salus.doors.network.supervisor import Supervisor
from salus.machine.genesis import read_genesis
from salus.modules.members.events import Misbehaved, PractitionerEnded
from salus.node.comet.home import NEWEST_VOTE
from salus.node.comet.joining import wants_state_sync
from salus.node.comet.validators import node_id
from salus.node.folder_lock import FolderLock
from salus.node.settings import SOCKET_BYTES_MAX, read_settings
from tests.support.port_row import free_row
from tests.unit.doors.cli.shell import run

TRUE = Path("/bin/true")
"""Stands where CometBFT's path is needed and never run."""


@pytest.mark.parametrize("count", [4, 7, 16])
def test_what_is_laid_out_is_read_back(tmp_path: Path, count: int) -> None:
    """Each member a validator of equal weight whose node key its CometBFT has; ports differ."""
    places = lay_out_network(tmp_path, count, 9000)
    members = read_genesis((tmp_path / "genesis.json").read_bytes()).members

    assert places[0].settings == read_network(tmp_path)[0].settings
    assert [count, count] == [len(places), len(members)]
    assert {10} == {one["power"] for one in members}
    ports = set()
    for place, member in zip(places, members, strict=True):
        home = place.comet
        assert home is not None
        key = home.node_key().public
        assert {"use": 6, "key": key.hex()} in member["keys"]
        assert count - 1 == len(home.peers)
        assert not any(one.startswith(node_id(key)) for one in home.peers)
        ports |= {place.settings.door.port, place.settings.peer_door.port, home.listen}
    assert 3 * count == len(ports)


def test_laid_out_again_keys_and_genesis_stay(tmp_path: Path) -> None:
    """Only the configurations are written anew: other ports, the same members."""
    before = lay_out_network(tmp_path, 4, 9000)
    genesis = (tmp_path / "genesis.json").read_bytes()
    after = lay_out_network(tmp_path, 4, 9100)

    assert genesis == (tmp_path / "genesis.json").read_bytes()
    assert [one.reached().keys() for one in before] == [one.reached().keys() for one in after]
    assert 9100 == after[0].settings.door.port


def test_a_folder_holds_one_network(tmp_path: Path) -> None:
    """Another size, or the other engine, is refused before anything of the ledger is touched."""
    lay_out_network(tmp_path, 4, 9000)

    with pytest.raises(Problem, match="GenesisDiffers"):
        lay_out_network(tmp_path, 5, 9000)
    with pytest.raises(Problem, match="GenesisDiffers"):
        DemoNetwork(tmp_path)


def test_the_tour_and_the_processes_share_a_folder(tmp_path: Path) -> None:
    """What `salus demo --network` makes is what `salus network up` takes, and the other way."""
    made = CometNetwork(tmp_path).genesis
    lay_out_network(tmp_path, 4, 9000)

    assert made == (tmp_path / "genesis.json").read_bytes()
    assert made == CometNetwork(tmp_path).genesis


def test_no_network_is_a_sentence(tmp_path: Path) -> None:
    """Nothing there, and a folder whose first member orders."""
    with pytest.raises(Problem, match="NetworkMissing"):
        read_network(tmp_path)
    said = run("node", "demo", str(tmp_path))
    assert 0 == said.code, said.err
    with pytest.raises(Problem, match="NoNetwork"):
        read_network(tmp_path)


def changed(config: Path, old: str, new: str) -> Path:
    """The configuration with a part replaced."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


ENGINES = {
    "neither": ("[comet]", "[ledgers]", "ledgers"),
    "a folder too long": ('"comet/north"', f'"{"x" * SOCKET_BYTES_MAX}"', "nearer to the root"),
    "an address without a port": ('listen = "127.0.0.1:9008"', 'listen = "host"', "listen"),
    "a peer without an id": ("peers = [", 'peers = [\n"127.0.0.1:9009",', "peers"),
}


@pytest.mark.parametrize(("old", "new", "word"), ENGINES.values(), ids=ENGINES.keys())
def test_a_configuration_names_one_engine(tmp_path: Path, old: str, new: str, word: str) -> None:
    """One orders, or all vote; and CometBFT's addresses and sockets can be."""
    lay_out_network(tmp_path, 4, 9000)
    config = changed(tmp_path / "north.toml", old, new)

    with pytest.raises(Problem, match="SettingsMalformed") as caught:
        read_settings(config)
    assert word in str(caught.value)


def test_an_ordering_member_and_a_network_may_stand_together(tmp_path: Path) -> None:
    """For a ledger that moves: its own word says which of the two counts; one must be there."""
    lay_out_network(tmp_path, 4, 9000)
    both = 'keys = "keys/north"\norderer = "' + "0" * 32 + '"'
    config = changed(tmp_path / "north.toml", 'keys = "keys/north"', both)
    place = read_settings(config)
    assert place.comet is not None
    assert bytes(16) == place.orderer

    text = config.read_text().replace(both, 'keys = "keys/north"')
    config.write_text(text[: text.index("[comet]")])
    with pytest.raises(Problem, match=r"or a \[comet\] table"):
        read_settings(config)


def test_a_network_s_member_takes_no_flag_of_an_embedded_one(tmp_path: Path) -> None:
    """`--new` would begin a ledger that all voted on; `--fast` asks the others, who are silent."""
    places = lay_out_network(tmp_path, 4, 9000)
    prepared = prepare(places[0], None)

    with pytest.raises(Problem, match="NetworkStart"):
        MemberProcess(prepared, new=True)
    with pytest.raises(Problem, match="NoSnapshot"):
        MemberProcess(prepared, fast=True)
    assert not wants_state_sync(places[0].home / "node")


def test_a_lost_node_key_is_never_made_anew_in_silence(tmp_path: Path) -> None:
    """With another key it would be no validator, and nobody would know why."""
    places = lay_out_network(tmp_path, 4, 9000)
    (tmp_path / "comet" / "north" / "config" / "priv_validator_key.json").unlink()

    with pytest.raises(Problem, match="NodeKeyMissing"):
        MemberProcess(prepare(places[0], None))


def test_another_genesis_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """Its CometBFT began with the right one: the member says so, and is not tried again."""
    place = lay_out_network(tmp_path, 4, 9000)[0]
    assert place.comet is not None
    file = place.comet.folder / "config" / "genesis.json"
    file.write_text('{"chain_id": "salus-0123456789abcdef"}')

    with pytest.raises(Problem, match=r"GenesisDiffers: .* salus-0123456789abcdef: put back"):
        MemberProcess(prepare(place, None))


def test_who_a_member_is_names_its_node(tmp_path: Path) -> None:
    """`salus node show` prints what the others put under `comet.peers`, and what a vote admits."""
    places = lay_out_network(tmp_path, 4, 9000)
    said = run("node", "show", str(tmp_path / "north.toml"), "--json")
    home = places[0].comet

    assert home is not None
    assert home.node_key().public.hex() == said.json["node_key"]
    assert any(said.json["node"] in one.comet.peers for one in places[1:] if one.comet)


def test_recover_is_not_for_a_network_s_member(tmp_path: Path) -> None:
    """Its ledger would be ahead of its CometBFT, which then refuses to start."""
    lay_out_network(tmp_path, 4, 9000)
    said = run("node", "recover", str(tmp_path / "north.toml"))

    assert 65 == said.code
    assert "NetworkMember" in said.err


MINORITIES = {
    "nobody": ({}, []),
    "one alone": ({"a": "1"}, []),
    "all alike": ({"a": "1", "b": "1", "c": "1"}, []),
    "one of four": ({"a": "1", "b": "2", "c": "1", "d": "1"}, ["b"]),
    "two of five": ({"a": "1", "b": "2", "c": "1", "d": "3", "e": "1"}, ["b", "d"]),
    "half against half": ({"a": "1", "b": "2"}, []),
    "no half agrees": ({"a": "1", "b": "1", "c": "2", "d": "3"}, []),
}


@pytest.mark.parametrize(("hashes", "names"), MINORITIES.values(), ids=MINORITIES.keys())
def test_who_differs_from_most(hashes: dict[str, str], names: list[str]) -> None:
    """A member is named only against more than half of those that answer."""
    assert names == minority(hashes)


def test_evidence_is_read_from_a_block_s_events() -> None:
    """As the machine writes the event and the door shows it; other events are passed over."""
    caught = Misbehaved(member=bytes(16), height=7, kind="duplicate_vote")
    other = PractitionerEnded(member=bytes(16), practitioner=bytes(16))
    events = [event(codec.encode(one)) for one in (other, caught)]
    expected = {"block": 9, "member": "00" * 16, "height": 7, "kind": "duplicate_vote"}

    assert [expected] == misbehaviour(9, events)


LOGS = {
    "a sentence": ('{"event": "x"}\nPortInUse: cannot listen\n', "PortInUse: cannot listen"),
    "a reason": ('{"event": "engine.fault", "reason": "the genesis"}\n', "the genesis"),
    "an event": ('{"event": "ledger.open"}\n', "ledger.open"),
    "nothing": ("", "it said nothing; look into north.log"),
}


@pytest.mark.parametrize(("text", "words"), LOGS.values(), ids=LOGS.keys())
def test_the_last_words_of_a_member(tmp_path: Path, text: str, words: str) -> None:
    """Its last line, or the reason in it."""
    log = tmp_path / "north.log"
    log.write_text(text)

    assert words == last_words(log)


def test_a_member_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    """Exit code 65 comes from its files: the same would come again; its sentence is passed on."""
    (place, *_) = lay_out_network(tmp_path, 4, 9000)
    (tmp_path / "genesis.json").unlink()
    member = MemberRun(place, tmp_path / "north.toml", TRUE)
    member.start()
    while (words := member.look()) is None:
        pass

    assert member.is_over
    assert "exit code 65" in words
    assert "GenesisMissing" in words


def test_a_port_in_use_is_said_before_anybody_starts(tmp_path: Path) -> None:
    """Which member, which port, what to do; and the folder is free again."""
    first = free_row(12)
    port = first + 9
    with socket.create_server(("127.0.0.1", port)):
        places = lay_out_network(tmp_path, 4, first)
        with pytest.raises(Problem, match=f":{port} ") as caught:
            Supervisor(tmp_path, places, TRUE)

    assert "PortInUse" == caught.value.name
    assert "south cannot" in caught.value.text
    FolderLock(tmp_path).release()


def test_without_go_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 69: something is missing in this installation."""
    monkeypatch.delenv("SALUS_COMETBFT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("salus.node.comet.program.find_go", lambda: None)
    said = run("network", "up", "--data", str(tmp_path / "n"))

    assert 69 == said.code
    assert "salus[network]" in said.err
    assert not (tmp_path / "n").exists()


def test_the_status_of_a_network_that_does_not_run(tmp_path: Path) -> None:
    """Its members stand in the data all the same; exit code 75."""
    assert 0 == run("network", "init", "--data", str(tmp_path), "--port", "9000").code
    said = run("network", "status", "--data", str(tmp_path), "--json")

    assert 75 == said.code
    assert ["north", "south", "lab", "insurer"] == [one["name"] for one in said.json["members"]]
    assert "MembersSilent" == json.loads(said.err)["title"]


def test_down_ends_no_stranger(tmp_path: Path) -> None:
    """A number left in a file is nobody's while the folder's lock is free."""
    places = lay_out_network(tmp_path, 4, 9000)
    (tmp_path / "network.pid").write_text(str(os.getpid()))
    (tmp_path / "lab.pid").write_text(str(os.getpid()))

    assert [] == stop_network(tmp_path, places)


def test_a_ledger_set_aside_keeps_what_is_not_made_of_blocks(tmp_path: Path) -> None:
    """Vault, keys and the newest vote stay; a member that runs is not touched."""
    place = lay_out_network(tmp_path, 4, 9000)[2]
    node, home = tmp_path / "lab" / "node", place.comet
    assert home is not None
    data = home.folder / "data"
    for folder in (node / "journal", node / "vault", data / "blockstore.db"):
        folder.mkdir(parents=True)
    lock = FolderLock(node)
    with pytest.raises(Problem, match="MemberRuns"):
        set_ledger_aside(place)
    lock.release()
    key = home.node_key().public

    assert tmp_path / "lab.aside-1" == set_ledger_aside(place)
    assert (tmp_path / "lab.aside-1" / "journal").exists()
    assert (node / "vault").exists()
    assert [NEWEST_VOTE] == [one.name for one in data.iterdir()]
    assert key == home.node_key().public
    assert tmp_path / "lab.aside-2" == set_ledger_aside(place)


def test_a_ledger_set_aside_for_a_snapshot_is_marked(tmp_path: Path) -> None:
    """The next start syncs, whoever starts it; set aside again without `--fast`, it does not."""
    place = lay_out_network(tmp_path, 4, 9000)[2]
    node = tmp_path / "lab" / "node"
    for name in ("start", "whole/journal"):
        (node / name).mkdir(parents=True)

    aside = set_ledger_aside(place, fast=True)
    assert wants_state_sync(node)
    assert {"start", "whole"} == {one.name for one in aside.iterdir()}
    with pytest.raises(Problem, match="NoSnapshot"):
        MemberProcess(prepare(place, None))
    assert wants_state_sync(node)
    set_ledger_aside(place)
    assert not wants_state_sync(node)


def test_an_unknown_member_is_told_the_known_ones(tmp_path: Path) -> None:
    """By short name."""
    lay_out_network(tmp_path, 4, 9000)
    said = run("network", "rejoin", "west", "--data", str(tmp_path))

    assert 65 == said.code
    assert "north, south, lab, insurer" in said.err
