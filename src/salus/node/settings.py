"""
The node's configuration file: TOML, every setting with its unit and default, one struct a table.

Paths are relative to the file's folder. An unknown table or key is refused: a misspelt setting
would otherwise be a default nobody chose.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from salus.base.errors import Category, Problem
from salus.modules.members import rules
from salus.node import tls
from salus.node.comet.home import CometHome
from salus.node.comet.nodes import HOST_PORT, NodeAddress, read_nodes
from salus.node.directory import Reached
from salus.node.journal import SEGMENT_BYTES

SETTINGS_BYTES_MAX = 64 * 1024
"""A configuration file (`security.md` §8)."""

MemberHex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""A member's id, 16 B in hex."""

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}\Z")]

HostPort = Annotated[str, msgspec.Meta(pattern=rf"^{HOST_PORT}")]

SOCKET_BYTES_MAX = 107
"""A Unix socket's path (`sockaddr_un` of Linux has 108 B with the zero at the end)."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all tables."""


class MemberTable(Table, frozen=True):
    """`[member]`: who this is."""

    name: Name
    """Short, in the API's paths: `/north/v1/status`."""

    folder: str
    """The member's own data; nobody else reads or writes it."""

    keys: str
    """Its secrets and certificates: on another disk than the data."""

    genesis: str
    """The network's genesis file, the same bytes at every member."""

    orderer: MemberHex = ""
    """Whose embedded engine orders the blocks; left out in a network that never had one."""

    demo_keys: bool = False
    """Whether keys marked as a demo's are taken; never with real people's records."""


class DoorTable(Table, frozen=True):
    """`[door]`: the API for this member's own systems; plain HTTP, so stay on one machine."""

    host: str = "127.0.0.1"
    """Address to listen on; another machine reaches it by the member's own TLS proxy."""

    port: Port = 8080

    operator_token: str = ""
    """File with the bearer token of the gateway's routes; empty: those routes are not there."""


class PeerDoorTable(Table, frozen=True):
    """`[peer_door]`: where the other members call; TLS 1.3."""

    url: str
    """`https://host[:port][/path]`, as the others reach it; put on the ledger at start."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: Port = 9443


class CometTable(Table, frozen=True):
    """
    `[comet]`: this member's CometBFT, in a network whose members vote on each block.

    Beside `member.orderer` it counts once the ledger has moved into a network.
    """

    folder: str
    """Node key, newest vote and CometBFT's blocks; beside the member's folder, not inside it."""

    listen: HostPort
    """`host:port` at which the other members' nodes connect."""

    peers: list[NodeAddress] = []
    """The other members' nodes, each `<node id>@<host:port>`; `salus network join` notes more."""


class LedgerTable(Table, frozen=True):
    """`[ledger]`: how the copy of the ledger is kept."""

    segment_bytes: Annotated[int, msgspec.Meta(ge=2**20, le=2**30)] = SEGMENT_BYTES
    """Bytes of one journal file; fixed once the first is written."""

    snapshot_blocks: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Blocks between state snapshots; the newest two are kept. The same at every member."""

    verify_workers: Annotated[int, msgspec.Meta(ge=0, le=64)] | None = None
    """Processes that check signatures; default cores - 1; 0: in the node's own."""


class TelemetryTable(Table, frozen=True):
    """`[telemetry]`: traces of what the node does, for OpenTelemetry; off without a collector."""

    traces: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s/?#]+/?)?\Z")] = ""
    """`http://host:port` of a collector that takes OTLP over HTTP; empty: no traces."""

    sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Share of the traces that are kept; a request with a `traceparent` chooses for itself."""


class PeerTable(Table, frozen=True):
    """`[[peers]]`: a member as long as the ledger's row does not say how it is reached."""

    member: MemberHex
    url: str
    """`https://host[:port][/path]`."""

    certificates: Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)]
    """Files, DER or PEM; compare their fingerprints with the member's operator by another way."""

    overrules_ledger: bool = False
    """Count more than the row: for a node that was away while the member changed both."""


class Settings(Table, frozen=True):
    """The whole file."""

    member: MemberTable
    peer_door: PeerDoorTable
    door: DoorTable = DoorTable()
    ledger: LedgerTable = LedgerTable()
    telemetry: TelemetryTable = TelemetryTable()
    comet: CometTable | None = None
    peers: list[PeerTable] = []


class Place:
    """Settings with the folder their paths start from."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """`folder`: the file's own."""
        self.settings = settings
        self._folder = folder

    def path(self, name: str) -> Path:
        """A path of the file, made whole."""
        return self._folder / name

    @property
    def home(self) -> Path:
        """The member's folder."""
        return self.path(self.settings.member.folder)

    @property
    def orderer(self) -> bytes:
        """Whose engine orders, 16 B; empty in a network."""
        return bytes.fromhex(self.settings.member.orderer)

    @property
    def comet(self) -> CometHome | None:
        """CometBFT's folder and addresses, made whole; None where one member orders for ever."""
        table = self.settings.comet
        if table is None:
            return None
        folder = self.path(table.folder).absolute()
        peers = dict.fromkeys((*table.peers, *read_nodes(folder)))
        return CometHome(folder, table.listen, tuple(peers))

    def reached(self) -> dict[bytes, Reached]:
        """The `[[peers]]`, certificates read; raises Problem CertificateMalformed."""
        return {
            bytes.fromhex(one.member): Reached(
                one.url,
                tuple(tls.read_certificate(self.path(name)) for name in one.certificates),
                one.overrules_ledger,
            )
            for one in self.settings.peers
        }


def read_settings(path: Path) -> Place:
    """
    Read and check the file.

    Raises Problem SettingsMissing, SettingsMalformed (too long, no TOML, an unknown or missing
    setting, a value out of range, an address that is none, two entries of one member, neither
    `orderer` nor `[comet]`, a folder too long for CometBFT's sockets).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(
            Category.NOT_FOUND,
            "SettingsMissing",
            f"expected a node's configuration at {path.name} ({type(error).__name__})",
        ) from None
    settings = _read(data)
    _check_addresses(settings)
    place = Place(settings, path.parent)
    _check_engine(place)
    return place


def _read(data: bytes) -> Settings:
    if len(data) > SETTINGS_BYTES_MAX:
        raise _malformed(f"at most {SETTINGS_BYTES_MAX} bytes, found {len(data)}")
    try:
        tables: dict[str, Any] = tomllib.loads(data.decode())
        return msgspec.convert(tables, Settings)
    except msgspec.ValidationError as error:
        # The operator's own file, read on the operator's own machine: msgspec's words may quote it.
        raise _malformed(f"settings as docs/guides/operate.md lists them: {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _malformed(f"TOML: {error}") from None


def _check_addresses(settings: Settings) -> None:
    for url in (settings.peer_door.url, *(one.url for one in settings.peers)):
        if not rules.is_address(url):
            raise _malformed("an address as https://host:port, lower case, no query")
    names = [one.member for one in settings.peers]
    if len(set(names)) != len(names):
        raise _malformed("one [[peers]] entry a member")


def _check_engine(place: Place) -> None:
    home = place.comet
    if home is None and not place.settings.member.orderer:
        raise _malformed("member.orderer, who then orders alone, or a [comet] table")
    if home is not None and len(bytes(home.abci_socket)) > SOCKET_BYTES_MAX:
        raise _malformed(
            f"a [comet] folder whose sockets have paths of at most {SOCKET_BYTES_MAX} bytes, found "
            f"{len(bytes(home.abci_socket))}: choose a folder nearer to the root"
        )


def _malformed(expected: str) -> Problem:
    return Problem(Category.MALFORMED, "SettingsMalformed", f"expected {expected}")
