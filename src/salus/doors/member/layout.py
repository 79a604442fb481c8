"""
A demo network laid out for four processes: keys, genesis, certificates, one configuration each.

What operators of a real network do on four machines, done in one folder: each makes its keys and
certificate, all agree on the genesis file, each is handed the others' certificates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.doors.demo.network import CAST, DemoNetwork, operator_token
from salus.node import tls
from salus.node.keys import MemberKeys
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
    keys = DemoNetwork(folder).keys
    tables = f"[ledger]\n{ledger}\n"
    engine = Engine(keys[CAST[0].name].member.hex(), dict.fromkeys(keys, tables))
    return write_members(folder, seats, keys, engine)


@dataclass(frozen=True)
class Engine:
    """What the configurations say of the order of blocks."""

    orderer: str
    """Id of the member whose engine orders, hex; empty in a network."""

    tables: Mapping[str, str]
    """More tables of each member's file, by its name."""


def write_members(
    folder: Path, seats: Sequence[Seat], keys: Mapping[str, MemberKeys], engine: Engine
) -> list[Path]:
    """Write each member's token, certificate and configuration; returns the last, as seated."""
    now_ms = RealClock().now_ms()
    for seat in seats:
        secrets, own = folder / "keys" / seat.name, keys[seat.name]
        operator_token(secrets / "operator.token")
        certificates = tls.OwnCertificates(secrets, own.service, own.member, now_ms)
        write_whole(folder / f"{seat.name}.crt", certificates.serving([]))
    paths = []
    for seat in seats:
        text = _own_tables(seat, engine)
        text += "".join(
            _peer_table(one, keys[one.name].member.hex()) for one in seats if one is not seat
        )
        paths.append(folder / f"{seat.name}.toml")
        write_whole(paths[-1], text.encode())
    return paths


def _own_tables(seat: Seat, engine: Engine) -> str:
    orderer = f'orderer = "{engine.orderer}"\n' if engine.orderer else ""
    return f"""\
# A demo's member: its keys lie in the clear, so no real person's records belong here.
[member]
name = "{seat.name}"
folder = "{seat.name}"
keys = "keys/{seat.name}"
genesis = "genesis.json"
{orderer}demo_keys = true

[door]
host = "{seat.listen}"
port = {seat.api_port}
operator_token = "keys/{seat.name}/operator.token"

[peer_door]
host = "{seat.listen}"
port = {seat.peer_port}
url = "{seat.url}"

{engine.tables[seat.name]}"""


def _peer_table(seat: Seat, member: str) -> str:
    return f"""
[[peers]]
member = "{member}"
url = "{seat.url}"
certificates = ["{seat.name}.crt"]
"""
