"""
A demo network laid out for four processes: keys, genesis, certificates, one configuration each.

What operators of a real network do on four machines, done in one folder: each makes its keys and
certificate, all agree on the genesis file, each is handed the others' certificates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.doors.demo.network import CAST, DemoNetwork
from salus.node import tls
from salus.node.ports import RealClock
from salus.node.small_file import write_whole


@dataclass(frozen=True)
class Seat:
    """Where a member's process stands."""

    name: str
    api_port: int
    peer_port: int
    host: str = "127.0.0.1"
    """As the other members reach it."""

    listen: str = "127.0.0.1"
    """Address both doors listen on."""

    @property
    def url(self) -> str:
        """The peer door's address."""
        return f"https://{self.host}:{self.peer_port}"


def loopback_seats(first_api_port: int, first_peer_port: int) -> list[Seat]:
    """All members on this machine, ports one after another."""
    return [
        Seat(cast.name, first_api_port + at, first_peer_port + at) for at, cast in enumerate(CAST)
    ]


def container_seats() -> list[Seat]:
    """Each member on a host of its name, as `deploy/compose.yaml` has them."""
    return [Seat(cast.name, 8080, 9443, host=cast.name, listen="0.0.0.0") for cast in CAST]  # noqa: S104 (inside a container's own network)


def lay_out(folder: Path, seats: Sequence[Seat], ledger: str = "") -> list[Path]:
    """
    Write everything into `folder` and return the configuration files, the ordering member's first.

    Keys and genesis that are there are kept. `ledger`: lines of every file's `[ledger]` table.
    """
    network = DemoNetwork(folder)
    ids = {name: keys.member.hex() for name, keys in network.keys.items()}
    now_ms = RealClock().now_ms()
    for name, keys in network.keys.items():
        network.token(name)
        own = tls.OwnCertificates(folder / "keys" / name, keys.service, keys.member, now_ms)
        write_whole(folder / f"{name}.crt", own.serving([]))
    paths = []
    for seat in seats:
        others = [one for one in seats if one is not seat]
        text = _own_tables(seat, ids[CAST[0].name], ledger)
        text += "".join(_peer_table(one, ids[one.name]) for one in others)
        paths.append(folder / f"{seat.name}.toml")
        write_whole(paths[-1], text.encode())
    return paths


def _own_tables(seat: Seat, orderer: str, ledger: str) -> str:
    return f"""\
# A demo's member: its keys lie in the clear, so no real person's records belong here.
[member]
name = "{seat.name}"
folder = "{seat.name}"
keys = "keys/{seat.name}"
genesis = "genesis.json"
orderer = "{orderer}"
demo_keys = true

[door]
host = "{seat.listen}"
port = {seat.api_port}
operator_token = "keys/{seat.name}/operator.token"

[peer_door]
host = "{seat.listen}"
port = {seat.peer_port}
url = "{seat.url}"

[ledger]
{ledger}
"""


def _peer_table(seat: Seat, member: str) -> str:
    return f"""
[[peers]]
member = "{member}"
url = "{seat.url}"
certificates = ["{seat.name}.crt"]
"""
