"""
The folder of a network on one machine: keys, genesis and one configuration a member.

    genesis.json                    mode network, each member a validator of equal weight
    NAME.toml, NAME.crt, NAME.log   how the member is started, known to the others, what it said
    NAME/                           its ledger, vault, witness and gateway
    keys/NAME/, comet/NAME/         its secrets; its node key, newest vote and CometBFT's blocks

What four hospitals do on four machines, done in one folder: no member reads another's.
"""

from pathlib import Path

from salus.base.errors import Category, Problem
from salus.doors.demo.comet import comet_homes
from salus.doors.demo.genesis import Founder, genesis_file
from salus.doors.demo.network import CAST, GENESIS, SEGMENT_BYTES, Cast
from salus.doors.member.layout import Engine, Seat, write_members
from salus.node.comet.home import CometHome
from salus.node.keys import make_demo_keys
from salus.node.ports import RealClock
from salus.node.settings import Place, read_settings

NODES_MIN = 4
"""Three could not lose one: n = 3f + 1."""

NODES_MAX = 16
"""As many as hold shares of a key (`consent.set_seats`)."""

FIRST_PORT = 8081

LEDGER = f"[ledger]\nsegment_bytes = {SEGMENT_BYTES}\nverify_workers = 0\n"
"""Members of one machine share its cores: each checks signatures in its own process."""


def lay_out_network(folder: Path, count: int, first_port: int = FIRST_PORT) -> list[Place]:
    """
    Write a network of `count` members, or write its configurations anew; keys and genesis stay.

    Ports in a row from `first_port`: APIs, then peer doors, then CometBFT's. Raises Problem
    GenesisDiffers: the folder holds another network.
    """
    cast = _cast(count)
    seats = [
        Seat(one.name, first_port + at, first_port + count + at) for at, one in enumerate(cast)
    ]
    listen = {one.name: f"127.0.0.1:{first_port + 2 * count + at}" for at, one in enumerate(cast)}
    keys = {one.name: make_demo_keys(folder / "keys" / one.name) for one in cast}
    homes = comet_homes(folder, listen)
    founders = [
        Founder(one.title, keys[one.name], homes[one.name].node_key().public) for one in cast
    ]
    genesis_file(folder / GENESIS, founders, RealClock().now_ms())
    tables = {name: LEDGER + _comet_table(folder, home) for name, home in homes.items()}
    return [read_settings(path) for path in write_members(folder, seats, keys, Engine("", tables))]


def is_laid_out(folder: Path) -> bool:
    """Whether configurations are there."""
    return any(folder.glob("*.toml"))


def read_network(folder: Path) -> list[Place]:
    """The members' configurations by API port; raises Problem NetworkMissing, NoNetwork."""
    places = [read_settings(path) for path in sorted(folder.glob("*.toml"))]
    if not places:
        raise Problem(
            Category.NOT_FOUND,
            "NetworkMissing",
            f"expected a network's configurations in {folder}: make one by `salus network init`, "
            "or name another folder by --data",
        )
    if any(place.comet is None for place in places):
        raise Problem(
            Category.CONFLICT,
            "NoNetwork",
            f"expected a network of voting members in {folder}, found one whose first member "
            "orders: start its members by `salus node run`, or name another folder by --data",
        )
    return sorted(places, key=lambda place: place.settings.door.port)


def _cast(count: int) -> list[Cast]:
    more = range(len(CAST) + 1, count + 1)
    return [*CAST, *(Cast(f"clinic-{number}", f"Clinic {number}") for number in more)]


def _comet_table(folder: Path, home: CometHome) -> str:
    peers = "".join(f'\n    "{one}",' for one in home.peers)
    return f"""
[comet]
folder = "{home.folder.relative_to(folder.absolute())}"
listen = "{home.listen}"
peers = [{peers}
]
"""
