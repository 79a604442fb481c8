"""The files of `deploy/` fit the program: metric names, commands, settings, names of members."""

import copy
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest
import typer
import yaml

from salus.doors.cli.node import node
from salus.doors.demo.network import CAST
from salus.doors.http.metrics import Meters
from salus.doors.member import compose as composed
from salus.doors.member.layout import container_seats, lay_out, loopback_seats
from salus.doors.member.unit import Places, places_of, unit
from salus.doors.network.member import HOPELESS
from salus.node import settings as settings_module
from salus.node.settings import Settings, read_settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "salus@.service"
GUIDE = ROOT / "docs" / "guides" / "operate.md"


@cache
def metric_names() -> frozenset[str]:
    """All series a scrape may have."""
    text = Meters([]).text().decode()
    found: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found.add(name)
        if kind == "histogram":
            found.update(name + end for end in ("_bucket", "_sum", "_count"))
    return frozenset(found)


def used_names(text: str) -> set[str]:
    """Names of series in expressions."""
    return set(re.findall(r"\bsalus_\w+", text))


def test_the_dashboard_shows_what_is_measured() -> None:
    """Each panel's expressions name series of `/metrics`; each gauge has a panel."""
    panels = json.loads((DEPLOY / "grafana" / "salus.json").read_text())["panels"]
    used = used_names(" ".join(one["expr"] for panel in panels for one in panel["targets"]))
    shown = {name.removesuffix("_bucket") for name in used}

    assert set() == used - metric_names()
    assert (
        set()
        == {
            one
            for one in metric_names()
            if not one.endswith(("_bucket", "_sum", "_count", "_created"))
        }
        - shown
    )
    assert len(panels) == len({panel["id"] for panel in panels})


def test_alerts_name_series_and_headings_that_exist() -> None:
    """Who is called finds the heading of the guide that the alert quotes."""
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    headings = re.findall(r"^## (.+)$", GUIDE.read_text(), re.MULTILINE)
    for rule in group["rules"]:
        assert set() == used_names(rule["expr"]) - metric_names(), rule["alert"]
        quoted = re.findall(r"see '(.+)'", rule["annotations"]["summary"])
        assert set() == set(quoted) - set(headings), rule["alert"]


@cache
def compose() -> dict[str, Any]:
    """The compose file."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def members_run() -> dict[str, dict[str, Any]]:
    """Services that run a member."""
    services: dict[str, dict[str, Any]] = compose()["services"]
    return {
        name: one for name, one in services.items() if one.get("command", [])[:2] == ["node", "run"]
    }


def test_each_member_has_a_container_of_its_name() -> None:
    """The names by which the configuration files reach one another are the services'."""
    ports = [port for one in members_run().values() for port in one["ports"]]

    assert {cast.name for cast in CAST} == set(members_run())
    assert {seat.host for seat in container_seats()} == set(members_run())
    assert len(CAST) == len(set(ports))
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_commands_of_containers_parse() -> None:
    """With the options the command line has; only the ordering member is told to begin."""
    commands = typer.main.get_command(node).commands  # type: ignore[attr-defined]  # a group
    began = []
    for name, service in compose()["services"].items():
        match service.get("command"):
            case ["node", command, *rest]:
                context = commands[command].make_context(command, list(rest))
                if context.params.get("new"):
                    began.append(name)
            case other:
                assert other is None

    assert [CAST[0].name] == began


def test_the_image_is_made_of_files_that_exist() -> None:
    """Every COPY of the Dockerfile names files of the project."""
    copies = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    assert copies
    for name in " ".join(copies).split():
        assert (ROOT / name).exists(), name


GENERATED = {
    "salus deploy unit": (UNIT, lambda: unit(Places())),
    "salus deploy compose": (DEPLOY / "compose.yaml", composed.compose),
}


@pytest.mark.parametrize(("path", "made"), GENERATED.values(), ids=GENERATED.keys())
def test_files_are_what_the_program_writes(path: Path, made: Callable[[], str]) -> None:
    """Nobody edits them by hand: the command is run again, and its output kept."""
    assert made() == path.read_text()


def test_the_compose_file_keeps_to_its_specification() -> None:
    """Docker's own schema takes it; a word it does not know, or of another kind, it does not."""
    packed = (ROOT / "tests" / "data" / "compose" / "compose-spec.json.gz").read_bytes()
    schema = jsonschema.Draft7Validator(json.loads(gzip.decompress(packed)))
    broken = copy.deepcopy(compose())
    broken["services"]["north"] |= {"comand": ["x"], "read_only": "often and gladly", "ports": {}}

    assert [] == [one.message for one in schema.iter_errors(compose())]
    assert 1 < len(list(schema.iter_errors(broken)))


@pytest.fixture
def own_unit(tmp_path: Path) -> Path:
    """The unit of one member's configuration, of places as they are here."""
    place = read_settings(lay_out(tmp_path, loopback_seats(8081, 9441))[0])
    path = tmp_path / "salus-north.service"
    path.write_text(unit(places_of(place, tmp_path / "north.toml", Path("bin/salus"))))
    return path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("kind", ["of any member", "of one member"])
def test_the_service_file_is_sound(kind: str, own_unit: Path) -> None:
    """Systemd takes every line, and finds that the service may do little."""
    path = UNIT if kind == "of any member" else own_unit
    ran = [
        subprocess.run(
            ["systemd-analyze", *words, path], capture_output=True, text=True, check=False
        )
        for words in (["verify"], ["security", "--offline=true", "--threshold=20", "--no-pager"])
    ]

    assert [0, 0] == [one.returncode for one in ran], ran
    assert "" == ran[0].stderr


def test_a_members_own_unit_may_write_where_its_settings_say(
    own_unit: Path, tmp_path: Path
) -> None:
    """Its data, and the keys' folder, where each year's certificate is put; nothing else."""
    text = own_unit.read_text()

    assert [f"-{tmp_path}/north", f"-{tmp_path}/keys/north"] == re.findall(
        r"^ReadWritePaths=(.+)$", text, re.MULTILINE
    )
    assert f"node run {tmp_path}/north.toml --passphrase-fd 3" in text
    assert f"passphrase:{tmp_path}/north.passphrase" in text


def test_the_service_runs_a_command_that_exists() -> None:
    """`salus node run`, the passphrase by a descriptor; exit codes a person looks at first."""
    text = UNIT.read_text()
    (line,) = re.findall(r"^ExecStart=.*$", text, re.MULTILINE)

    assert "salus node run /etc/salus/%i.toml --passphrase-fd 3" in line
    assert "RestartPreventExitStatus=64 65 69" in text
    assert HOPELESS == {64, 65, 69}


def settings_named() -> set[str]:
    """Every setting as `table.name`."""
    tables = {"peers": settings_module.PeerTable}
    for field in msgspec.structs.fields(Settings):
        if field.name != "peers":
            # An optional table is a union with None.
            tables[field.name] = next(iter(get_args(field.type)), field.type)
    return {
        f"{table}.{field.name}"
        for table, kind in tables.items()
        for field in msgspec.structs.fields(kind)
    }


def test_the_guide_lists_every_setting() -> None:
    """The table of the guide and the file's structs are the same."""
    listed = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", GUIDE.read_text(), re.MULTILINE)

    assert settings_named() == set(listed)
    assert len(listed) == len(set(listed))


def test_a_demo_laid_out_is_read_back(tmp_path: Path) -> None:
    """Four files that the node takes; written again, keys and certificates stay."""
    first = lay_out(tmp_path, loopback_seats(8081, 9441))
    before = [read_settings(path).reached() for path in first]
    again = [read_settings(path).reached() for path in lay_out(tmp_path, container_seats())]

    assert [f"{cast.name}.toml" for cast in CAST] == [path.name for path in first]
    assert [3, 3, 3, 3] == [len(one) for one in before]
    certificates = [{one.certificates for one in found.values()} for found in before]
    assert certificates == [{one.certificates for one in found.values()} for found in again]
