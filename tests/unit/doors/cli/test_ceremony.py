"""The ceremony's commands, each member in a folder of its own; no node runs."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from salus.machine.genesis import network_id
from salus.node.comet.nodes import read_nodes
from salus.node.settings import read_settings
from tests.unit.doors.cli.shell import Said, run

NAMES = ("north", "south", "lab", "insurer")


def contribute(root: Path, name: str, *more: str) -> Said:
    """Make a member's configuration, keys and contribution."""
    return run(
        "network", "contribute", str(root / name / f"{name}.toml"), "--title", name.title(),
        "--peer-url", f"https://{name}.example:9443", "--node", f"{name}.example:26656",
        "--demo", "--json", *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four members' folders, made once."""
    root = tmp_path_factory.mktemp("made")
    told = [contribute(root, name) for name in NAMES]
    assert {0} == {one.code for one in told}, told
    return root


@pytest.fixture
def files(made: Path, tmp_path: Path) -> dict[str, Path]:
    """The contributions in folders of this test."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return {name: tmp_path / name / f"{name}.salus-member" for name in NAMES}


def config(file: Path) -> str:
    """The configuration beside a contribution."""
    return str(file.with_suffix(".toml"))


def genesis(files: dict[str, Path], folder: Path) -> tuple[str, Any]:
    """The genesis file of all four, and what the command says."""
    out = str(folder / "made.json")
    made = run("network", "genesis", *map(str, files.values()), "--out", out, "--json")
    assert 0 == made.code, made.err
    return out, made.json


def test_founders_are_made(files: dict[str, Path], tmp_path: Path) -> None:
    """Each puts the file in its place and knows the three others' nodes; keys are its own alone."""
    path, told = genesis(files, tmp_path)
    shown = run("network", "check", path, *map(str, files.values()), "--json").json
    assert told == shown
    for file in files.values():
        said = run("network", "join", config(file), *map(str, files.values()), "--genesis", path)
        assert 0 == said.code, said.err
        place = read_settings(Path(config(file)))
        home = place.comet
        assert home is not None
        data = (file.parent / "genesis.json").read_bytes()
        assert told["network"] == network_id(data).hex()
        assert 3 == len(read_nodes(home.folder)) == len(home.peers)
        assert 0o077 & (file.parent / "keys" / file.stem / "issuer-1.key").stat().st_mode == 0


def test_made_again_a_contribution_has_the_same_fingerprint(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Keys that are there stay; once the network is decided there is none to make any more."""
    path, told = genesis(files, tmp_path)
    again = contribute(tmp_path, "north").json
    assert again["fingerprint"] in [one["fingerprint"] for one in told["members"]]
    words = ("network", "join", config(files["north"]), "--genesis", path)
    assert 0 == run(*words, *map(str, files.values())).code

    late = contribute(tmp_path, "north")
    assert (65, True) == (late.code, "NetworkKnown" in late.err)


def test_a_genesis_without_the_own_contribution_is_not_joined(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Four others agreed without this member; a file is missing: both are told, nothing made."""
    path, _ = genesis(files, tmp_path)
    clinic = Path(contribute(tmp_path, "clinic").json["file"])
    said = run("network", "join", config(clinic), *map(str, files.values()), "--genesis", path)
    assert (65, True) == (said.code, "ContributionAbsent" in said.err)
    few = run("network", "join", config(files["lab"]), str(files["north"]), "--genesis", path)
    assert (65, True) == (few.code, "ContributionsMissing" in few.err)
    assert not (clinic.parent / "genesis.json").exists()
    assert not (files["lab"].parent / "genesis.json").exists()


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "three founders": (("genesis", "{north}", "{south}", "{lab}"), "FoundersTooFew"),
    "no such file": (("genesis", "{north}", "{south}", "{lab}", "no.such"), "FileUnreadable"),
    "a configuration and no words to make it of": (("contribute", "new.toml"), "SettingsMissing"),
    "a malformed address": (
        ("contribute", "new.toml", "--demo", "--peer-url", "http://x", "--node", "x:1"),
        "SettingsMalformed",
    ),
    "neither a network nor a file": (("join", "{north.toml}"), "NetworkMissing"),
    "a network that nobody serves": (
        ("join", "{north.toml}", "--from", "https://127.0.0.1:9", "--network", "00" * 32),
        "NodeNotReached",
    ),
    "an id that is none": (
        ("join", "{north.toml}", "--from", "https://127.0.0.1:9", "--network", "00"),
        "ParameterMalformed",
    ),
    "a node that is none": (("meet", "{north.toml}", "north@example"), "NodesMalformed"),
}


@pytest.mark.parametrize(("words", "name"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_a_sentence(
    words: tuple[str, ...], name: str, files: dict[str, Path], tmp_path: Path
) -> None:
    """With its name and an exit code of its kind; nothing half written stays."""
    known = {f"{{{one}}}": str(path) for one, path in files.items()}
    known["{north.toml}"] = config(files["north"])
    known |= {"new.toml": str(tmp_path / "new.toml"), "no.such": str(tmp_path / "no.such")}
    said = run("network", *(known.get(word, word) for word in words))

    assert said.code in (65, 75)
    assert said.err.startswith(name)
    assert not (tmp_path / "new.toml").exists()
