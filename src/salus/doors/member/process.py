"""
One member, started from its configuration file: node, gateway and both doors.

It also says on the ledger how the others reach it, looks there for members it does not know, and
ends when the ledger has no more use for it as it was started.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from salus.base.errors import Category, Problem, Refusal
from salus.base.signing import member_id
from salus.chain import machine
from salus.doors.demo.genesis import demo_issuers
from salus.doors.http.app import create_app
from salus.doors.http.member import MemberDoor
from salus.doors.member.life import Life
from salus.doors.member.peer_app import create_peer_app
from salus.doors.member.serving import Opening, Shown, serve_all
from salus.gateway.gateway import Gateway
from salus.gateway.staff import Person
from salus.machine.genesis import network_id, read_genesis
from salus.modules.members import queries as members
from salus.modules.members.messages import SetAddress
from salus.modules.members.state import ISSUER, TRANSACTION
from salus.node import tls
from salus.node.comet.app import chain_id
from salus.node.comet.home import CometHome
from salus.node.comet.joining import join_by_state_sync, wants_state_sync
from salus.node.comet.trust import has_comet
from salus.node.directory import Directory
from salus.node.issuers import read_issuers
from salus.node.keys import MemberKeys, load_keys
from salus.node.node import Node, NodeSettings
from salus.node.peers import Identity, Peer
from salus.node.ports import RealClock
from salus.node.rejoin import has_blocks, rejoin_by_snapshot
from salus.node.restore import is_empty
from salus.node.settings import Place
from salus.node.tracing import traces

log = structlog.get_logger()

LOOK_S = 5.0
"""How often the roster is looked at; the bar is 10 s (`security.md` §6)."""

BEGIN_S = 1.0
"""Pause between tries to begin: the ordering member may start at the same time."""


@dataclass(frozen=True)
class Prepared:
    """What is known before anything is opened."""

    place: Place
    keys: MemberKeys
    genesis: bytes
    directory: Directory
    others: list[bytes]
    """Ids of the other members, of the genesis file and of `[[peers]]`."""

    issuers: Sequence[Person] = ()
    """Who register the member's people, as far as their keys are here."""

    def peers(self) -> list[Peer]:
        """The other members, for calls before the node runs."""
        identity = Identity(network_id(self.genesis), self.keys.member, self.keys.service)
        clock = RealClock()
        return [
            Peer(identity, one, self.directory.transport(one), clock, lambda: 0)
            for one in self.others
        ]


def prepare(place: Place, passphrase: bytes | None) -> Prepared:
    """Read keys, genesis and certificates; raises the Problem of what is missing or wrong."""
    member = place.settings.member
    folder = place.path(member.keys)
    keys = load_keys(folder, passphrase=passphrase, demo=member.demo_keys)
    issuers = _issuers(folder, keys, passphrase, demo=member.demo_keys)
    genesis = _read_genesis(place)
    entries = place.reached()
    known = {*_first_members(genesis), *entries} - {keys.member}
    directory = Directory(entries, RealClock())
    return Prepared(place, keys, genesis, directory, sorted(known), issuers)


class MemberProcess:
    """Started by its constructor; `serve` returns at a signal, `close` ends the rest."""

    def __init__(self, prepared: Prepared, *, new: bool = False, fast: bool = False) -> None:
        """
        Start node and gateway.

        `new`: the ordering member may begin a ledger; `fast`: an empty folder is filled from a
        snapshot. Raises Problem NetworkStart, NodeKeyMissing, GenesisDiffers, LedgerMissing,
        LedgerElsewhere, and those of `rejoin_by_snapshot` and `join_by_state_sync`.
        """
        place, keys = prepared.place, prepared.keys
        self._place = place
        self._directory = prepared.directory
        self._stopping = threading.Event()
        self._serving = threading.Event()
        self._end: Problem | None = None
        folder = place.home / "node"
        syncs = _syncs(prepared, folder, fast=fast)
        if place.comet is not None and not place.orderer:
            _check_network_start(prepared, place.comet, is_told=new)
        elif is_empty(folder) and not syncs:
            _fill(prepared, new=new, fast=fast)
        if place.comet is not None and syncs:
            peers = prepared.peers()
            join_by_state_sync(folder, machine(), prepared.genesis, place.comet, peers)
        settings = NodeSettings(
            folder=folder,
            genesis=prepared.genesis,
            orderer=place.orderer,
            segment_bytes=place.settings.ledger.segment_bytes,
            verify_workers=place.settings.ledger.verify_workers,
            snapshot_blocks=place.settings.ledger.snapshot_blocks,
            comet=place.comet,
        )
        transports = {one: self._directory.transport(one) for one in prepared.others}
        self.node = Node(settings, keys, transports)
        self._directory.follow(self.node.ledger.view)
        self.gateway = Gateway(place.home / "gateway", self.node)
        for person in prepared.issuers:
            self.gateway.staff.keep_issuer(person)
        self._own = tls.OwnCertificates(
            place.path(place.settings.member.keys),
            keys.service,
            keys.member,
            self.node.clock.now_ms(),
        )
        self._life = Life(self.node)
        _start_traces(place, keys)
        self._thread = threading.Thread(target=self._look, name="directory", daemon=True)
        self._thread.start()

    def serve(self, started: Callable[[], None]) -> None:
        """
        Open both doors; returns after SIGINT or SIGTERM.

        Raises Problem PortInUse; LedgerMoved, MemberRemoved when the ledger says so.
        """
        settings = self._place.settings
        token = settings.door.operator_token
        member = MemberDoor(
            name=settings.member.name,
            node=self.node,
            gateway=self.gateway,
            operator_token=_read_token(self._place, token) if token else None,
        )
        shown = Shown(self.node.keys.service, self._own.serving(self._on_ledger()))
        peer_door = settings.peer_door
        serve_all(
            [
                Opening(create_app([member]), settings.door.host, settings.door.port),
                Opening(create_peer_app(member), peer_door.host, peer_door.port, shown),
            ],
            lambda: self._begin(started),
        )
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        """Stop everything, flush and close."""
        self._stopping.set()
        self._thread.join()
        self.gateway.close()
        self.node.close()
        self._directory.close()
        traces.stop()

    def _look(self) -> None:
        """Say how this member is reached, fetch what its vault lacks, then follow the roster."""
        begun = False
        while not self._stopping.wait(LOOK_S if begun else BEGIN_S):
            try:
                if self._is_over():
                    return
                self._meet()
                if not begun:
                    begun = self._announce()
                    self._repair(is_due=begun)
                else:
                    self._repair(is_due=self._life.roster_changed())
            except (Problem, Refusal) as error:
                reason = error.name if isinstance(error, Problem) else type(error).__name__
                log.warning("directory.failed", reason=reason)

    def _begin(self, started: Callable[[], None]) -> None:
        self._serving.set()
        started()

    def _is_over(self) -> bool:
        """Whether the process ends now; tells the doors, once they are open."""
        self._end = self._life.end()
        if self._end is None:
            return False
        while not self._serving.wait(BEGIN_S):
            if self._stopping.is_set():
                return True
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    def _repair(self, *, is_due: bool) -> None:
        if is_due:
            report = self.node.repair_vault()
            log.info("vault.repaired", count=len(report.fetched) + len(report.shares))

    def _announce(self) -> bool:
        """Put address and certificates into the own row; False while the copy has no such row."""
        self.node.ordering.fresh_tip()
        url = self._place.settings.peer_door.url
        wanted = self._own.to_announce(self._on_ledger())
        row = members.member(self.node.ledger.view(), self.node.keys.member)
        if row is not None and (row.address, row.certificates) != (url, wanted):
            self.gateway.office.submit([SetAddress(address=url, certificates=wanted)])
            log.info("directory.announced", count=len(wanted))
        return row is not None

    def _meet(self) -> None:
        for member in members.admitted(self.node.ledger.view()):
            if member not in self.node.peers:
                self.node.add_peer(member, self._directory.transport(member))
                log.info("directory.met", member=member.hex())

    def _on_ledger(self) -> list[bytes]:
        row = members.member(self.node.ledger.view(), self.node.keys.member)
        return [] if row is None else row.certificates


def _check_network_start(prepared: Prepared, home: CometHome, *, is_told: bool) -> None:
    """Refuse what only an embedded ledger has, a node key nobody knows, and another genesis."""
    if is_told:
        raise Problem(
            Category.CONFLICT,
            "NetworkStart",
            "this member is one of a network: it takes every block from the others by itself. "
            "Start it without --new",
        )
    if not home.has_node_key():
        raise Problem(
            Category.NOT_FOUND,
            "NodeKeyMissing",
            f"expected this member's node key in {home.folder.name}/config: put its copy back, or "
            "make another by `salus node show` and have the members vote it in",
        )
    network = network_id(prepared.genesis)
    if home.chain() not in (None, chain_id(network)):
        raise Problem(
            Category.CONFLICT,
            "GenesisDiffers",
            f"{prepared.place.settings.member.genesis} is of network {network.hex()[:16]}…, this "
            f"member's CometBFT of {home.chain()}: put back the genesis file all members have, or "
            "start with empty folders",
        )


def _syncs(prepared: Prepared, folder: Path, *, fast: bool) -> bool:
    """Whether CometBFT fills the node's folder from a snapshot: asked now, or not ended before."""
    place = prepared.place
    if place.comet is None or not (wants_state_sync(folder) or (fast and is_empty(folder))):
        return False
    # With both tables the ledger may have moved into a network, or be about to.
    return not place.orderer or has_comet(prepared.peers())


def _start_traces(place: Place, keys: MemberKeys) -> None:
    """Begin once the node runs: what a start replays is nobody's request."""
    table = place.settings.telemetry
    if table.traces:
        name = place.settings.member.name
        traces.start(table.traces, name=name, member=keys.member, sample=table.sample)


def _fill(prepared: Prepared, *, new: bool, fast: bool) -> None:
    """Decide how an empty folder gets its ledger; a follower simply follows from the genesis."""
    orders = prepared.place.orderer == prepared.keys.member
    if orders and has_blocks(prepared.peers()):
        raise Problem(
            Category.CONFLICT,
            "LedgerElsewhere",
            "this member orders, its folder is empty, and other members have blocks: a new ledger "
            "would be a second history. Run `salus node recover` first",
        )
    if orders and not new:
        raise Problem(
            Category.NOT_FOUND,
            "LedgerMissing",
            "this member orders and its folder is empty: for a network's first start give --new; "
            "after a lost disk run `salus node recover`",
        )
    if fast and not orders:
        folder = prepared.place.home / "node"
        rejoin_by_snapshot(folder, machine(), prepared.genesis, prepared.peers())


def _read_genesis(place: Place) -> bytes:
    path = place.path(place.settings.member.genesis)
    try:
        data = path.read_bytes()
    except OSError:
        raise Problem(
            Category.NOT_FOUND, "GenesisMissing", f"expected the network's genesis at {path.name}"
        ) from None
    read_genesis(data)
    return data


def _first_members(genesis: bytes) -> list[bytes]:
    """Ids of the members that a genesis file names: each by its first transaction key."""
    keys = (
        next(bytes.fromhex(key["key"]) for key in one["keys"] if key["use"] == TRANSACTION)
        for one in read_genesis(genesis).members
    )
    return [member_id(key) for key in keys]


def _issuers(
    folder: Path, keys: MemberKeys, passphrase: bytes | None, *, demo: bool
) -> list[Person]:
    """Of the files beside the keys; a demo's network has them made from its keys instead."""
    found = read_issuers(folder, passphrase=passphrase, demo=demo)
    if not found:
        return demo_issuers(keys.house) if demo else []
    return [
        Person(id=one.id, name=f"issuer {one.number}", role=ISSUER, seed=one.key.seed)
        for one in found
    ]


def _read_token(place: Place, name: str) -> str:
    path = place.path(name)
    if not path.exists() or path.stat().st_mode & 0o077:
        raise Problem(
            Category.UNAUTHENTICATED,
            "OperatorTokenExposed",
            f"expected {path.name}, mode 0600, with at least 32 random characters in it",
        )
    return path.read_text().strip()
