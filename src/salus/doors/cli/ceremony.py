"""
`salus network`: how a network begins with members on machines of their own, and how one joins.

Nothing passes between members but files that people carry, and what their doors answer.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer

from salus.base.errors import Category, Problem
from salus.doors.cli.files import read_file
from salus.doors.cli.output import Json, say, show_fields, show_json, show_table
from salus.doors.cli.passphrase import PassphraseFd, ask_passphrase
from salus.doors.http.plain import from_hex
from salus.doors.member.enrolment import (
    Wanted,
    configure,
    contribute,
    contribution_path,
    read_contribution,
)
from salus.machine.genesis import network_id
from salus.node import founding
from salus.node.comet.home import CometHome
from salus.node.comet.nodes import check_nodes, write_nodes
from salus.node.comet.validators import node_id
from salus.node.settings import Place, read_settings
from salus.node.small_file import write_whole

API_PORT = 8080

COLUMNS = ("number", "name", "power", "address", "fingerprint")

TIMEOUT_S = 30.0

Config = Annotated[Path, typer.Argument(help="The member's configuration file, TOML.")]
Files = Annotated[list[Path], typer.Argument(help="Members' contributions (*.salus-member).")]


def add_to(network: typer.Typer) -> None:
    """Enter the commands."""
    network.command("contribute")(make_contribution)
    network.command("genesis")(make_genesis)
    network.command("check")(check)
    network.command("join")(join)
    network.command("meet")(meet)


def make_contribution(
    config: Config,
    *,
    title: Annotated[str | None, typer.Option(help="The member's name on the ledger.")] = None,
    peer_url: Annotated[
        str | None, typer.Option(help="Of a new configuration: the peer door, https://host:port.")
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Of a new configuration: CometBFT's host:port.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of a new configuration: the API's.")] = API_PORT,
    demo: Annotated[bool, typer.Option("--demo", help="Keys in the clear, marked so.")] = False,
    passphrase_fd: PassphraseFd = None,
    as_json: Json = False,
) -> None:
    """
    Make a member's keys and write its contribution, the file that the other members are handed.

    Writes the configuration too if there is none. Compare the fingerprint by another way.

    Example: salus network contribute north.toml --title "North Hospital" --peer-url
    https://north.example:9443 --node north.example:26656
    """
    if not config.exists():
        if peer_url is None or node is None:
            raise Problem(
                Category.NOT_FOUND,
                "SettingsMissing",
                f"expected {config}, or --peer-url and --node to write it from",
            )
        configure(config, Wanted(peer_url, node, port, demo))
    is_demo = read_settings(config).settings.member.demo_keys
    passphrase = None if is_demo else ask_passphrase("Passphrase", passphrase_fd, is_new=True)
    path, made = contribute(config, title or config.stem, passphrase)
    value = {
        "file": str(path),
        "name": made.member.name,
        "member": made.id.hex(),
        "node": made.node,
        "fingerprint": made.fingerprint,
    }
    show_json(value) if as_json else show_fields(value)


def make_genesis(
    files: Files,
    *,
    out: Annotated[Path, typer.Option(help="Where the file goes.")] = Path("genesis.json"),
    name: Annotated[str, typer.Option(help="The network's name.")] = "salus",
    as_json: Json = False,
) -> None:
    """
    Make a network's genesis file of its founders' contributions: to the byte the same for all.

    Example: salus network genesis north.salus-member south.salus-member lab.salus-member
    insurer.salus-member
    """
    made = founding.found([read_contribution(one) for one in files], name)
    if out.exists() and out.read_bytes() != made:
        raise Problem(
            Category.CONFLICT,
            "GenesisDiffers",
            f"{out} holds another genesis file: remove it, or write to another place by --out",
        )
    write_whole(out, made)
    _show_genesis(made, as_json=as_json)


def check(
    genesis: Annotated[Path, typer.Argument(help="The genesis file to look at.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Contributions that must stand in it.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """
    Show a genesis file's members with their fingerprints, and the network id, to compare by eye.

    Refuses unless each contribution that is named stands in it unchanged.

    Example: salus network check genesis.json north.salus-member
    """
    data = read_file(genesis)
    founding.check(data, [read_contribution(one) for one in files or []])
    _show_genesis(data, as_json=as_json)


def join(
    config: Config,
    files: Annotated[
        list[Path] | None, typer.Argument(help="With --genesis: the founders' contributions.")
    ] = None,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="A member's peer door or API.", metavar="URL")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="The network's id, 64 hex digits, told by another way.")
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(help="Of a new network: its genesis file.")
    ] = None,
) -> None:
    """
    Take a member into a network: put the genesis file in place, note where the others' nodes are.

    A running network is asked by --from; the answer must have the id given by --network. A new one
    begins with --genesis and the founders' contributions, the own one among its members unchanged.

    Example: salus network join clinic.toml --from https://north.example:9443 --network 9f31...
    """
    place = read_settings(config)
    if source is not None and network is not None:
        data, nodes = _ask(source, from_hex(network, 32, "network"))
    elif genesis is not None:
        data, nodes = _founded(config, genesis, files or [])
    else:
        raise Problem(
            Category.MALFORMED,
            "NetworkMissing",
            "expected --from URL and --network ID, or --genesis FILE and the contributions",
        )
    _settle(place, data, nodes)
    say(f"{place.settings.member.name} knows network {network_id(data).hex()} and {len(nodes)} "
        f"nodes. Once the members have admitted it: salus node run {config}")  # fmt: skip


def meet(
    config: Config,
    others: Annotated[
        list[str], typer.Argument(help="Contributions, or nodes as `salus node show` prints them.")
    ],
) -> None:
    """
    Note where other members' nodes are; counts from the next start.

    Example: salus network meet north.toml clinic.salus-member
    """
    place = read_settings(config)
    home = _home(place)
    found = [one if "@" in one else read_contribution(Path(one)).node for one in others]
    nodes = list(dict.fromkeys([*home.peers, *check_nodes(found)]))
    write_nodes(home.folder, nodes)
    say(f"{place.settings.member.name} knows {len(nodes)} nodes; restart it to connect to them")


def _founded(config: Path, genesis: Path, files: Sequence[Path]) -> tuple[bytes, list[str]]:
    """A new network's file and its founders' nodes, held to the contributions."""
    data = read_file(genesis)
    own = read_contribution(contribution_path(config))
    others = [one for one in map(read_contribution, files) if one.id != own.id]
    founding.check(data, [own, *others])
    missing = len(founding.table(data)) - 1 - len(others)
    if missing:
        raise Problem(
            Category.NOT_FOUND,
            "ContributionsMissing",
            f"expected the contributions of all other members of the file, {missing} are missing: "
            "each says where its member's node is",
        )
    return data, [one.node for one in others]


def _ask(source: str, network: bytes) -> tuple[bytes, list[str]]:
    """A running network's genesis file, held to its id, and where its nodes say they are."""
    # No certificate is known yet. What comes is held to the network's id, or checked by CometBFT.
    with httpx.Client(verify=False, timeout=TIMEOUT_S) as client:  # noqa: S501 (see above)
        data = _get(client, source, "/v1/genesis").content
        nodes: list[str] = _get(client, source, "/v1/nodes").json()["nodes"]
    if network_id(data) != network:
        raise Problem(
            Category.UNVERIFIED,
            "NetworkDiffers",
            f"expected network {network.hex()}, found {network_id(data).hex()} at {source}: ask a "
            "member by another way for the id, and for the address of its peer door",
        )
    return data, list(check_nodes(nodes))


def _get(client: httpx.Client, source: str, path: str) -> httpx.Response:
    try:
        return client.get(source.rstrip("/") + path).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Problem(
            Category.UNAVAILABLE,
            "NodeNotReached",
            f"expected a member's peer door or API at {source} ({type(error).__name__}): name "
            "another member's by --from",
        ) from None


def _settle(place: Place, genesis: bytes, nodes: Sequence[str]) -> None:
    """Put the genesis file and the nodes' addresses in their places; raises GenesisDiffers."""
    home = _home(place)
    path = place.path(place.settings.member.genesis)
    if path.exists() and path.read_bytes() != genesis:
        raise Problem(
            Category.CONFLICT,
            "GenesisDiffers",
            f"expected no other network's genesis file at {path.name}, found one: a member of "
            "another network has another folder",
        )
    own = f"{node_id(home.node_key().public)}@"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, genesis)
    write_nodes(home.folder, [one for one in nodes if not one.startswith(own)])


def _home(place: Place) -> CometHome:
    home = place.comet
    if home is None:
        raise Problem(
            Category.CONFLICT,
            "NoNetwork",
            "expected a [comet] table: docs/guides/operate.md lists its settings",
        )
    return home


def _show_genesis(data: bytes, *, as_json: bool) -> None:
    rows = [asdict(one) for one in founding.table(data)]
    network = network_id(data).hex()
    if as_json:
        show_json({"network": network, "members": rows})
        return
    show_table(rows, COLUMNS)
    say(f"network {network}: compare it, and each fingerprint, with its member by another way")
