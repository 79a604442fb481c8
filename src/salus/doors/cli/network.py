"""`salus network`: members that vote on each block, each a process of its own on this machine."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from salus.base.errors import Category, Problem
from salus.doors.cli.output import Json, say, show_json, show_table
from salus.doors.network.layout import (
    FIRST_PORT,
    NODES_MAX,
    NODES_MIN,
    is_laid_out,
    lay_out_network,
    read_network,
)
from salus.doors.network.rejoin import set_ledger_aside
from salus.doors.network.standing import Difference, Observer, Standing, url
from salus.doors.network.stopping import stop_network
from salus.doors.network.supervisor import Supervisor, differs
from salus.node.comet import program
from salus.node.settings import Place

Data = Annotated[Path, typer.Option(help="Folder of the network; made if new.")]
Nodes = Annotated[int | None, typer.Option(help="Members; 4.", min=NODES_MIN, max=NODES_MAX)]
Port = Annotated[
    int | None,
    typer.Option(help="First of three ports a member, in a row; 8081.", min=1, max=65_000),
]

DATA = Path("salus-network")

COLUMNS = ("name", "height", "voting", "peers", "app_hash", "url")

network = typer.Typer(
    help="Members that vote on each block, each its own processes on this machine.",
    no_args_is_help=True,
)


@network.command("init")
def init(*, nodes: Nodes = None, data: Data = DATA, port: Port = None) -> None:
    """
    Write keys, genesis and one configuration a member; keys and genesis that are there stay.

    Example: salus network init --nodes 7 --port 9000
    """
    _say_members(_laid_out(data, nodes, port, anew=True), data)


@network.command("up")
def up(*, nodes: Nodes = None, data: Data = DATA, port: Port = None) -> None:
    """
    Start all members, keep them running, and say what happens to them, until ctrl-c.

    The first start makes the folder, and builds CometBFT where there is none.

    Example: salus network up --nodes 4 --data ./salus-network
    """
    found = find_comet()
    places = _laid_out(data, nodes, port, anew=False)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with closing(Supervisor(data, places, found)) as supervisor:
        _say_members(places, data)
        supervisor.run(stopping, lambda standings: _say_begun(standings, len(places), data), say)
        say("stopping all members")
    if not stopping.is_set():
        raise Problem(
            Category.UNAVAILABLE, "NobodyRuns", f"no member runs any more; see {data}/NAME.log"
        )


@network.command("status")
def status(*, data: Data = DATA, as_json: Json = False) -> None:
    """
    Ask every member where it stands; exit code 75 if one is silent, 65 if two histories exist.

    Example: salus network status --data ./salus-network
    """
    places = read_network(data)
    with Observer(places) as observer:
        standings = observer.standings()
        differences = observer.differences(standings)
        evidence = observer.evidence(standings)
        elsewhere = observer.elsewhere(standings)
    rows = [_row(place, standings) for place in places]
    if as_json:
        show_json(
            {
                "members": rows,
                "differences": [asdict(one) for one in differences],
                "elsewhere": elsewhere,
                "evidence": evidence,
            }
        )
    else:
        show_table(rows, COLUMNS)
        for one in elsewhere:
            say(f"not of this folder, or silent: {one['name']}, {one['status']}, power "
                f"{one['power']}, at {one['address']}")  # fmt: skip
        for one in evidence:
            say(f"{one['name'] or 'a member that does not answer'} ({one['member']}) was caught "
                f"voting twice or lying at height {one['height']}: {one['kind']}, recorded in "
                f"block {one['block']}")  # fmt: skip
    _judge(standings, differences, len(places))


@network.command("down")
def down(*, data: Data = DATA) -> None:
    """
    Stop a network that runs in another terminal, and members left behind by one that was killed.

    Example: salus network down --data ./salus-network
    """
    stopped = stop_network(data, read_network(data))
    say(f"stopped: {', '.join(stopped)}" if stopped else "nothing runs in this folder")


@network.command("rejoin")
def rejoin(
    name: Annotated[str, typer.Argument(help="A stopped member, by its short name.")],
    *,
    data: Data = DATA,
    fast: Annotated[
        bool, typer.Option("--fast", help="Take a snapshot first, older blocks afterwards.")
    ] = False,
) -> None:
    """
    Set a stopped member's copy of the ledger aside: it takes every block from the others anew.

    Example: salus network rejoin lab --fast
    """
    place = _member(read_network(data), name)
    aside = set_ledger_aside(place, fast=fast)
    how = "it begins with a snapshot" if fast else "it takes every block"
    say(f"{name}'s ledger now lies in {aside}; all else stays, and {how}. Start it: `salus node "
        f"run {data}/{name}.toml`, or all by `salus network up --data {data}`")  # fmt: skip


def find_comet() -> Path:
    """CometBFT; built once where there is none. Raises Problem CometMissing, CometBuildFailed."""
    with _spinner("Looking for CometBFT 0.39; where there is none it is built once, in a minute"):
        return program.find_or_build()


@contextmanager
def _spinner(words: str) -> Iterator[None]:
    with Console(stderr=True, highlight=False).status(words):
        yield


def _member(places: Sequence[Place], name: str) -> Place:
    found = [place for place in places if place.settings.member.name == name]
    if not found:
        raise Problem(
            Category.NOT_FOUND,
            "MemberUnknown",
            "expected one of " + ", ".join(place.settings.member.name for place in places),
        )
    return found[0]


def _laid_out(data: Path, nodes: int | None, port: int | None, *, anew: bool) -> list[Place]:
    """The members' configurations, written if there are none or others are asked for."""
    there = read_network(data) if is_laid_out(data) else []
    count = nodes or len(there) or NODES_MIN
    if there and not anew and port is None and count == len(there):
        return there
    return lay_out_network(data, count, port or _first_port(there))


def _first_port(there: Sequence[Place]) -> int:
    return there[0].settings.door.port if there else FIRST_PORT


def _say_members(places: Sequence[Place], data: Path) -> None:
    say(f"{len(places)} members in {data}; each one's log beside its configuration, as north.log")
    for place in places:
        say(f"{place.settings.member.name}: API on {url(place)}")


def _say_begun(standings: Sequence[Standing], count: int, data: Path) -> None:
    show_table([asdict(one) for one in standings], COLUMNS)
    if len(standings) < count:
        say(f"{count - len(standings)} members do not answer yet; their logs say why")
    say(f"Stop all with ctrl-c. In another terminal: salus network status --data {data}")


def _row(place: Place, standings: dict[str, Standing]) -> dict[str, Any]:
    name = place.settings.member.name
    one = standings.get(name)
    return {"name": name, "url": url(place)} if one is None else asdict(one)


def _judge(standings: dict[str, Standing], differences: Sequence[Difference], count: int) -> None:
    """Raise the Problem of a network that is not well."""
    if differences:
        told = "; ".join(differs(one) for one in differences)
        raise Problem(Category.UNVERIFIED, "HistoriesDiffer", told)
    if len({one.network for one in standings.values()}) > 1:
        raise Problem(
            Category.CONFLICT,
            "NetworksDiffer",
            "the members are of different networks: compare their genesis files, which must be "
            "equal to the byte, and give those that differ an empty folder",
        )
    if len(standings) < count:
        raise Problem(
            Category.UNAVAILABLE,
            "MembersSilent",
            f"expected {count} members to answer, found {len(standings)}: run `salus network up`, "
            "or see the silent members' logs",
        )
