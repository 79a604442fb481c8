"""
A stopped member's node folder with something of everything, made by the real parts.

Blocks with done and refused transactions, a vault with containers, sheets and packages, a witness
that released shares and anchored its log, a checkpoint all members cosigned. Segments are small, so
that the journal has several and a bit flip seldom hits blank space.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from salus.base import codec, note
from salus.base.note import Signer
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.checkpoints import Checkpoints
from salus.node.cosigner import ROUTE, CosignAsked, Cosigner
from salus.node.journal import Journal
from salus.node.ledger import Ledger
from salus.node.peers import Identity, Peer, PeerDoor
from salus.node.vault.messages import PackagePut
from salus.sealed.release import Want
from tests.support.machine import Actor
from tests.support.network import DAY, Network, make_network
from tests.support.reader import start

SEGMENT_BYTES = 64 * 1024
VIEW, READING = 2, 3


class NodeFolder(NamedTuple):
    """A folder and what its audit needs."""

    path: Path
    genesis: bytes
    segment_bytes: int = SEGMENT_BYTES


def make_node_folder(folder: Path, *, lines: int = 200) -> NodeFolder:
    """Make it in `folder`; `lines`: audit lines on its ledger, some of which are refused."""
    network = make_network(folder / "network")
    _fill_vault_and_witness(network)
    _write_lines(network, lines)
    _anchor(network)
    _cosign(network, folder / "network" / "ledger" / "notes")
    genesis = network.ledger.genesis
    records = _records(network.ledger)
    network.ledger._log_files.sync()  # as every 256th block does
    network.close()
    home = folder / "node"
    (folder / "network" / "ledger").rename(home)
    for part in ("vault", "witness"):
        (folder / "network" / "member-0" / part).rename(home / part)
    _write_journal(home / "journal", network_id(genesis), records)
    shutil.rmtree(folder / "network")
    return NodeFolder(home, genesis)


def open_ledger(folder: NodeFolder, path: Path | None = None) -> Ledger:
    """The ledger of the folder, or of a copy of it."""
    return Ledger.open(
        path or folder.path, machine(), folder.genesis, segment_bytes=folder.segment_bytes
    )


def _fill_vault_and_witness(network: Network) -> None:
    patient = network.patient()
    for number in range(3):
        sealed = network.seal(patient, [DAY, DAY - 1, DAY - number])
        network.store(sealed)
    granted = network.grant(patient, 1)
    wants = [Want(batch=sealed.batch, group=group) for group in range(4)]
    for _ in range(3):
        session = start(network, granted, 1, wants)
        session.ask(network.node(0))
    vault = network.node(0).vault
    for sheet in patient.sheets.values():
        vault.put_sheet(sheet)
    package = PackagePut(grant=granted.grant, sealed=bytes(range(256)) * 4)
    vault.put_package(network.members[1].id, package)
    assert not list(vault.verify_all())


def _write_lines(network: Network, lines: int) -> None:
    terms = [
        DefineTerm(kind=1, number=VIEW, text="VIEW"),
        DefineTerm(kind=2, number=READING, text="READING"),
    ]
    network.must(terms)
    for first in range(0, lines, 20):
        now_ms = network.ledger.tip.time_ms
        network.block(
            [
                [
                    RecordLine(
                        activity=VIEW if ref % 7 else 99,
                        node=1,
                        ref=ref,
                        resource=READING,
                        time_ms=now_ms,
                        user=5,
                    )
                ]
                for ref in range(first, first + 20)
            ],
            network.members[first // 20 % 4],
        )


def _anchor(network: Network) -> None:
    anchor = network.node(0).witness.anchor()
    assert anchor is not None
    network.must([anchor])


def _cosign(network: Network, folder: Path) -> None:
    """One checkpoint of the first member, and what that member remembers of cosigning."""
    ledger = network.ledger
    own = network.members[0]
    identity = Identity(ledger.network, own.id, own.service)
    aside = folder.with_name("aside")
    peers = []
    for actor in network.members:
        kept = folder / "cosigned" if actor is own else aside / actor.id.hex()
        signer = Signer(note.origin(ledger.network, actor.id), actor.log)
        door = _cosigners_door(network, actor, Cosigner(kept, ledger, signer, network.clock))
        peers.append(
            Peer(identity, actor.id, door.answer, network.clock, lambda: ledger.tip.height)
        )
    signer = Signer(note.origin(ledger.network, own.id), own.log)
    Checkpoints(folder, ledger, signer, peers).covering(ledger.tip.log_size)
    shutil.rmtree(aside)


def _cosigners_door(network: Network, actor: Actor, cosigner: Cosigner) -> PeerDoor:
    def answer(_sender: bytes, body: bytes) -> bytes:
        return codec.encode(cosigner.cosign(codec.decode(body, CosignAsked)))

    ledger = network.ledger
    return PeerDoor(
        ledger.network,
        actor.id,
        ledger.view,
        {ROUTE: answer},
        network.clock,
        lambda height: height <= ledger.tip.height,
    )


def _records(ledger: Ledger) -> list[tuple[int, bytes]]:
    return [(height, ledger.record_bytes(height)) for height in range(1, ledger.tip.height + 1)]


def _write_journal(folder: Path, network: bytes, records: list[tuple[int, bytes]]) -> None:
    """The same records in a journal of small segments."""
    shutil.rmtree(folder)
    journal = Journal.open(folder, network, segment_bytes=SEGMENT_BYTES)
    for height, payload in records:
        journal.append(height, payload)
    journal.prepare_spare()
    journal.close()
