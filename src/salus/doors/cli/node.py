"""`salus node` and `salus snapshot`: one member as one process, and copies of its state."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from salus.base.errors import Category, Problem
from salus.chain import machine
from salus.doors.cli.output import Json, say, show_fields, show_json
from salus.doors.cli.passphrase import PassphraseFd, ask_passphrase
from salus.doors.member.layout import container_seats, lay_out, loopback_seats
from salus.doors.member.process import MemberProcess, Prepared, prepare
from salus.machine.genesis import network_id
from salus.node import tls
from salus.node.comet.validators import node_id
from salus.node.ledger import Ledger
from salus.node.ports import RealClock
from salus.node.process import settle
from salus.node.rejoin import rejoin_by_blocks
from salus.node.settings import read_settings
from salus.node.snapshots import META, read_meta, read_snapshot, write_snapshot

Config = Annotated[Path, typer.Argument(help="The node's configuration file, TOML.")]

node = typer.Typer(help="One member's node, as a process of its own.", no_args_is_help=True)
snapshot = typer.Typer(help="State snapshots of a node's ledger.", no_args_is_help=True)


@node.command("run")
def run(
    config: Config,
    *,
    new: Annotated[
        bool, typer.Option("--new", help="The ordering member begins the network's ledger.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Fill an empty folder from the members' snapshot.")
    ] = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """
    Run a member: node, gateway, API and peer door, until ctrl-c or SIGTERM.

    Example: salus node run north.toml
    """
    prepared = _prepare(config, passphrase_fd)
    with closing(MemberProcess(prepared, new=new, fast=fast)) as process:
        settle()
        process.serve(lambda: _started(prepared))


@node.command("show")
def show(config: Config, *, passphrase_fd: PassphraseFd = None, as_json: Json = False) -> None:
    """
    Show who a configuration is: what the other members' operators are told.

    Makes the certificate, and a network's node key, if there is none yet.

    Example: salus node show north.toml
    """
    prepared = _prepare(config, passphrase_fd)
    keys, place = prepared.keys, prepared.place
    own = tls.OwnCertificates(
        place.path(place.settings.member.keys), keys.service, keys.member, RealClock().now_ms()
    )
    certificate = own.serving([])
    value: dict[str, Any] = {
        "member": keys.member.hex(),
        "network": network_id(prepared.genesis).hex(),
        "url": place.settings.peer_door.url,
        "fingerprint": tls.fingerprint(certificate),
        "until_ms": tls.until_ms(certificate),
    }
    if place.comet is not None:
        node_key = place.comet.node_key().public
        value |= {
            "node_key": node_key.hex(),
            "node": f"{node_id(node_key)}@{place.comet.listen}",
        }
    show_json(value) if as_json else show_fields(value)


@node.command("demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="Made if it is not there; what is there stays.")],
    *,
    port: Annotated[int, typer.Option(help="First API port; the others follow.")] = 8081,
    peer_port: Annotated[int, typer.Option(help="First peer port; the others follow.")] = 9441,
    containers: Annotated[
        bool, typer.Option("--containers", help="For deploy/compose.yaml: a host a member.")
    ] = False,
) -> None:
    """
    Write keys, genesis and configuration of four demo members, to be run as four processes.

    Example: salus node demo ./four
    """
    seats = container_seats() if containers else loopback_seats(port, peer_port)
    first, *others = lay_out(folder, seats)
    say("Start each in a terminal of its own:")
    say(f"salus node run {first} --new")
    for path in others:
        say(f"salus node run {path}")


@node.command("recover")
def recover(
    config: Config,
    *,
    despite_missing: Annotated[
        bool,
        typer.Option("--despite-missing", help="Go on without members that do not answer."),
    ] = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """
    Fetch and execute all blocks the other members have, into a stopped node's folder.

    For an ordering member that lost its disk; the others' nodes run meanwhile.

    Example: salus node recover north.toml
    """
    prepared = _prepare(config, passphrase_fd)
    if not prepared.place.orderer:
        raise Problem(
            Category.CONFLICT,
            "NetworkMember",
            "this member is one of a network: CometBFT brings it every block it lacks. Start it by "
            "`salus node run`",
        )
    with closing(_open(prepared)) as ledger:
        count = rejoin_by_blocks(ledger, prepared.peers(), despite_missing=despite_missing)
        say(f"{count} blocks fetched and executed; height {ledger.tip.height}, app hash "
            f"{ledger.tip.app_hash.hex()}")  # fmt: skip


@snapshot.command("make")
def make(config: Config, *, passphrase_fd: PassphraseFd = None) -> None:
    """
    Write a snapshot of a stopped node's newest state beside those it made while it ran.

    Example: salus snapshot make north.toml
    """
    prepared = _prepare(config, passphrase_fd)
    with closing(_open(prepared)) as ledger:
        if ledger.tip.height == 0:
            raise Problem(Category.NOT_FOUND, "NoBlockYet", "there is no block to make one of")
        folder = prepared.place.home / "node" / "snapshots"
        made = write_snapshot(folder, ledger.copy_state())
        say(f"written to {made}; app hash {ledger.tip.app_hash.hex()}")


@snapshot.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A snapshot's folder, named by its height.")],
    *,
    as_json: Json = False,
) -> None:
    """
    Check a snapshot's chunks against its metadata, and show what it is of.

    Example: salus snapshot check north/node/snapshots/0000000000010000
    """
    meta = read_meta(_read(folder / META))
    rows = sum(1 for _ in read_snapshot(folder, meta))
    value: dict[str, Any] = {
        "height": meta.height,
        "time_ms": meta.time_ms,
        "log_size": meta.log_size,
        "app_hash": meta.app_hash.hex(),
        "chunks": len(meta.chunks),
        "rows": rows,
    }
    show_json(value) if as_json else show_fields(value)


def _prepare(config: Path, passphrase_fd: int | None) -> Prepared:
    place = read_settings(config)
    demo = place.settings.member.demo_keys
    return prepare(place, None if demo else ask_passphrase("Passphrase", passphrase_fd))


def _open(prepared: Prepared) -> Ledger:
    return Ledger.open(
        prepared.place.home / "node",
        machine(),
        prepared.genesis,
        segment_bytes=prepared.place.settings.ledger.segment_bytes,
    )


def _started(prepared: Prepared) -> None:
    settings = prepared.place.settings
    structlog.get_logger().info("serving", port=settings.door.port, name=settings.member.name)
    say(f"{settings.member.name}: API on http://{settings.door.host}:{settings.door.port}, "
        f"peer door on port {settings.peer_door.port}")  # fmt: skip


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Problem(
            Category.NOT_FOUND, "SnapshotUnknown", f"expected a snapshot's folder with {path.name}"
        ) from None
