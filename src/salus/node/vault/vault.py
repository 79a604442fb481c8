"""
A member's vault: the sealed containers it keeps for the network, and the papers beside them.

    put      check V1-V14, store durably, keep the own seat's shares, then sign a receipt
    get      a whole container, for members; groups: pruned ones, for readers and owners
    repair   fetch what should be here and is not; verify_all: read everything anew
    probe    ask others for proof of what they gave receipts for

Nothing here can be opened here. A receipt is signed only over what was synced and read back.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from salus.base.errors import Category, Problem
from salus.base.limits import WAITING_CONTAINER_BYTES_MAX, WAITING_CONTAINER_MS_MAX
from salus.base.sealing import padme_bytes
from salus.machine.context import View
from salus.modules.records import queries as records
from salus.node.ledger import Ledger
from salus.node.peers import Identity, Peer
from salus.node.ports import Clock
from salus.node.vault import checks, groups
from salus.node.vault.holdings import Finding, Holdings
from salus.node.vault.index import Index
from salus.node.vault.messages import (
    GroupsAsked,
    GroupsFound,
    HoldsAsked,
    PackagePut,
    PackagesFound,
    SheetAsked,
    SheetFound,
)
from salus.node.vault.objects import FolderObjects, ObjectStore
from salus.node.vault.papers import Papers
from salus.node.vault.probe import Probes, Unproven, possession
from salus.node.vault.repair import RepairReport, lacking, repair
from salus.node.vault.rereading import Rereading
from salus.node.witness.shares import ShareStore
from salus.sealed.acts import Signed
from salus.sealed.container import Container
from salus.sealed.days import Node
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt, sign_receipt
from salus.sealed.sheet import Sheet

PUTS_MAX = 4
"""Containers checked at once: each may take 32 MiB three times over."""

PUT_WAIT_S = 10.0
"""How long a further one waits for its turn."""

RENEW_MS = 30_000
"""A tip older than this is renewed before a receipt names it (corrections 9)."""


class Standing(NamedTuple):
    """What a vault has, lacks, and knows of others."""

    committed: int
    """Batches on the ledger."""

    held: int
    """Containers here, those that wait for their commitment too."""

    lacking: list[bytes]
    """Batches of which container or shares should be here and are not; repair fetches them."""

    unproven: list[Unproven]
    """Receipts of others without a container behind them."""


class Vault:
    """One member's; any thread calls."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        identity: Identity,
        shares: ShareStore,
        clock: Clock,
        objects: ObjectStore | None = None,
        *,
        fresh_tip: Callable[[], None] | None = None,
    ) -> None:
        """
        Open or make the vault in `folder`.

        `objects`: default files below `folder`; `fresh_tip`: lets an idle engine make a block and
        returns once the ledger has it.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ledger = ledger
        self._identity = identity
        self._clock = clock
        self._fresh_tip = fresh_tip
        self._turns = threading.BoundedSemaphore(PUTS_MAX)
        self._index = Index(folder / "index.sqlite")
        self._papers = Papers(folder / "papers.sqlite")
        self._holdings = Holdings(
            ledger,
            identity,
            objects or FolderObjects(folder / "batches"),
            self._index,
            shares,
            clock,
        )
        self._probes = Probes(self._holdings)
        self._rereading = Rereading(self._holdings)

    def put(self, sender: bytes, container: bytes) -> Signed:
        """
        Keep a container and give a receipt; the same one again gives a new receipt.

        `sender`: the member that hands it in. Raises Problem of code V1 to V12 (`checks.check`);
        V13 ShareDiffers, SealNotYours; V14 VaultBusy, VaultFull, VaultUnavailable, ShareStoreFull.
        """
        with self._turn():
            view = self._fresh_view()
            parsed = checks.check(view, sender, container, self._known_root(view))
            x = self._holdings.seat_in(view, parsed)
            shares = {} if x is None else self._holdings.shares.open_shares(parsed, x)
            self._check_room(parsed, len(container))
            self._holdings.keep(view, parsed, container)
            roles = STORED
            if x is not None:
                self._holdings.keep_shares(parsed, x, shares)
                roles |= SHARE_ACCEPTED
            return self._receipt(view, parsed, len(container), roles)

    def get(self, batch: bytes) -> bytes:
        """A committed container, whole; raises Problem BatchUnknown."""
        committed = records.batch(self._ledger.view(), batch) is not None
        data = self._holdings.objects.get(batch.hex()) if committed else None
        if data is None:
            raise _unknown()
        return data

    def groups(self, sender: bytes, asked: GroupsAsked) -> GroupsFound:
        """Groups that the asker may see; raises as `groups.read_ask` and `groups.sight`."""
        ask = groups.read_ask(asked, self._identity.member, self._clock.now_ms())
        view = self._ledger.view()
        seen = groups.sight(view, sender, asked, ask)
        self._holdings.follow()
        return groups.found(self._index, seen, ask.after, self._holdings.served)

    def holds(self, asked: HoldsAsked) -> bytes:
        """
        SHA-256(salt ‖ part) of a container here; what is asked for and lost is noted for repair.

        Raises Problem BatchUnknown, PartUnknown.
        """
        container = self._holdings.served(asked.batch)
        if container is None:
            raise _unknown()
        return possession(container, asked)

    def put_sheet(self, sheet: Sheet) -> None:
        """Keep a tag's present sheet; raises Problem TagUnknown, SheetNotCurrent."""
        self._papers.put_sheet(self._ledger.view(), sheet)

    def sheet(self, asked: SheetAsked) -> SheetFound:
        """A sheet or one key of it; raises Problem TagUnknown, SheetUnknown, SlotNotOnSheet."""
        view = self._ledger.view()
        if asked.slot is None:
            return SheetFound(sheet=self._papers.sheet(view, asked.tag))
        slot = Node(asked.slot.level, asked.slot.index)
        return SheetFound(extract=self._papers.extract(view, asked.tag, slot))

    def put_package(self, sender: bytes, package: PackagePut) -> None:
        """Keep a grant's package; raises as `Papers.put_package`."""
        view = self._ledger.view()
        self._papers.put_package(view, sender, package.grant, package.sealed)

    def packages_of(self, grant: bytes) -> PackagesFound:
        """All packages of one grant, oldest first."""
        return self._papers.packages_of(grant)

    def packages_after(self, number: int) -> PackagesFound:
        """Packages that came after this vault's number, at most 8 MiB of them."""
        return self._papers.packages_after(number)

    def repair(self, peers: Sequence[Peer], *, deep: bool = False) -> RepairReport:
        """Fetch what should be here; `deep`: read all that is here first. See `repair.repair`."""
        self.tidy()
        return repair(self._holdings, peers, deep=deep)

    def probe(self, peers: Sequence[Peer], count: int) -> list[tuple[bytes, bytes]]:
        """Try whether others hold what they gave receipts for; (member, batch) that failed."""
        return self._probes.round(peers, count)

    def unproven(self) -> list[Unproven]:
        """Receipts of others that a probe found empty, and no later one good."""
        return self._probes.unproven()

    def standing(self) -> Standing:
        """What is here, what should be, and whose receipts are empty."""
        lacks = lacking(self._holdings)
        index = self._holdings.index
        return Standing(len(index.committed()), len(index.held()), lacks, self._probes.unproven())

    def held_count(self) -> int:
        """How many containers are here."""
        return self._holdings.index.held_count()

    def verify_all(self) -> Iterator[Finding]:
        """Read every container anew, hold it to ledger and author, and tell what is wrong."""
        self._holdings.follow()
        return self._holdings.inspect()

    def reread(self, share: int) -> list[Finding]:
        """Read the next `share`-th of all containers anew, round and round; what is wrong."""
        return self._rereading.step(share)

    def tidy(self) -> None:
        """Drop containers that waited a day for their commitment, and packages of ended grants."""
        self._holdings.follow()
        view = self._ledger.view()
        before_ms = self._clock.now_ms() - WAITING_CONTAINER_MS_MAX
        for batch in self._index.waiting_since(before_ms):
            self._holdings.drop(batch)
        self._papers.tidy(view)

    def close(self) -> None:
        """Close index and papers; the share store is closed by who opened it."""
        self._index.close()
        self._papers.close()

    def _receipt(
        self, view: View, container: Container, container_bytes: int, roles: int
    ) -> Signed:
        receipt = StorageReceipt(
            author=container.head.author,
            batch=container.head.batch,
            bytes=padme_bytes(container_bytes),
            chain=view.network,
            checked=view.time_ms,
            roles=roles,
            root=container.root,
        )
        return sign_receipt(self._identity.service, receipt)

    def _known_root(self, view: View) -> checks.KnownRoot:
        def known(batch: bytes) -> bytes | None:
            row = records.batch(view, batch) or self._index.row(batch)
            return None if row is None else row.root

        return known

    def _check_room(self, container: Container, container_bytes: int) -> None:
        """Check what of this author waits here already; raises Problem VaultFull (V14)."""
        if self._index.row(container.head.batch) is not None:
            return
        waiting_bytes = self._index.waiting_bytes(container.head.author)
        if waiting_bytes + container_bytes > WAITING_CONTAINER_BYTES_MAX:
            raise Problem(
                Category.BUSY,
                "VaultFull",
                "too much of this author waits for its commitment; commit or wait a day",
                code="V14",
            )

    def _fresh_view(self) -> View:
        age_ms = self._clock.now_ms() - self._ledger.tip.time_ms
        if self._fresh_tip is not None and age_ms > RENEW_MS:
            self._fresh_tip()
        return self._ledger.view()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=PUT_WAIT_S):
            raise Problem(
                Category.BUSY,
                "VaultBusy",
                "this member checks other containers now; send it to another holder",
                code="V14",
            )
        try:
            yield
        finally:
            self._turns.release()


def _unknown() -> Problem:
    return Problem(
        Category.NOT_FOUND, "BatchUnknown", "this vault holds no such batch; ask another holder"
    )
