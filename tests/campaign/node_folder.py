"""
A stopped member's node folder with something of everything, made by the real parts.

Blocks with done and refused transactions, a vault with containers, sheets and packages, a witness
that released shares and anchored its log, a checkpoint all members cosigned. Segments are small, so
that the journal has several and a bit flip seldom hits blank space.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from salus.base import codec, note
from salus.base.errors import Problem
from salus.base.note import Signer
from salus.base.signing import SigningKey
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.checkpoints import Checkpoints
from salus.node.cosigner import CosignAsked, Cosigned, Cosigner
from salus.node.journal import Journal
from salus.node.ledger import Ledger
from salus.sealed.release import Want
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
    network.close()
    home = folder / "node"
    (folder / "network" / "ledger").rename(home)
    for part in ("vault", "witness"):
        (folder / "network" / "member-0" / part).rename(home / part)
    _cut_into_segments(home / "journal", network_id(genesis))
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
    view = network.ledger.view()
    for sheet in patient.sheets.values():
        vault.papers.put_sheet(view, sheet)
    vault.papers.put_package(view, network.members[1].id, granted.grant, bytes(range(256)) * 4)
    vault.follow()


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
    signers = [
        Signer(note.origin(ledger.network, actor.id), actor.log) for actor in network.members
    ]
    own = Cosigner(folder / "cosigned", ledger, signers[0], network.clock)
    others = [
        Cosigner(folder.parent / f"aside-{number}", ledger, signer, network.clock)
        for number, signer in enumerate(signers[1:])
    ]
    checkpoints = Checkpoints(folder, ledger, signers[0], [])
    checkpoints._asks = [cosigner.cosign for cosigner in (own, *others)]
    checkpoints.covering(ledger.tip.log_size)
    for number in range(3):
        shutil.rmtree(folder.parent / f"aside-{number}")


def _cut_into_segments(folder: Path, network: bytes) -> None:
    """The same records in a journal of small segments."""
    wide = Journal.open(folder, network)
    records = list(wide.records())
    wide.close()
    shutil.rmtree(folder)
    narrow = Journal.open(folder, network, segment_bytes=SEGMENT_BYTES)
    for height, payload in records:
        narrow.append(height, payload)
    narrow.prepare_spare()
    narrow.close()
