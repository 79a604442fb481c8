"""
A member's vault: the sealed containers it keeps for the network, and the papers beside them.

    put      check V1-V14, store durably, keep the own seat's shares, then sign a receipt
    get      a whole container, for members; groups: pruned ones, for readers and owners
    repair   fetch what should be here and is not; verify_all: read everything anew

Nothing here can be opened here. A receipt is signed only over what was synced and read back.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from salus.base.errors import Category, Problem
from salus.base.limits import (
    WAITING_CONTAINER_BYTES_MAX,
    WAITING_CONTAINER_MS_MAX,
)
from salus.base.sealing import padme_bytes
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.records import queries as records
from salus.node.ledger import Ledger
from salus.node.peers import Identity, Peer
from salus.node.ports import Clock
from salus.node.vault import checks, commits, groups
from salus.node.vault.index import Index
from salus.node.vault.inspect import Finding, inspect
from salus.node.vault.messages import GroupsAsked, GroupsFound, HoldsAsked
from salus.node.vault.objects import FolderObjects, ObjectStore
from salus.node.vault.papers import Papers
from salus.node.vault.repair import RepairReport, probe, repair
from salus.node.witness.shares import ShareStore
from salus.sealed import container as containers
from salus.sealed.acts import Signed
from salus.sealed.container import Container
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt, sign_receipt

PUTS_MAX = 4
"""Containers checked at once: each may take 32 MiB three times over."""

RENEW_MS = 30_000
"""A tip older than this is renewed before a receipt names it (corrections 9)."""


class Vault:
    """One member's; any thread calls."""

    papers: Papers
    """Sheets and packages."""

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
        Open or make the vault in `folder`; index what an interrupted end left unindexed.

        `objects`: default files below `folder`; `fresh_tip`: lets an idle engine make a block.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ledger = ledger
        self.identity = identity
        self.shares = shares
        self.objects = objects or FolderObjects(folder / "batches")
        self.index = Index(folder / "index.sqlite")
        self.papers = Papers(folder / "papers.sqlite")
        self._clock = clock
        self._fresh_tip = fresh_tip
        self._places = threading.BoundedSemaphore(PUTS_MAX)
        self._index_all()

    def put(self, sender: bytes, data: bytes) -> Signed:
        """
        Keep a container and give a receipt; the same one again gives a new receipt.

        `sender`: the member that hands it in. Raises Problem V1 to V14, see `checks.check`; V13
        ShareDiffers; V14 VaultBusy, VaultFull, VaultUnavailable, ShareStoreFull.
        """
        with self._place():
            view = self._fresh_view()
            container = checks.check(view, sender, data, self._known_root(view))
            x = seat_of(view, container.head.seats, self.identity.member)
            shares = None if x is None else self.shares.open_shares(container, x)
            self._make_room(container, len(data))
            self.keep(container, data)
            if x is not None and shares is not None:
                self.shares.keep(container, x, shares)
            return self._receipt(view, container, len(data), seated=x is not None)

    def get(self, batch: bytes) -> bytes:
        """A committed container, whole; raises Problem BatchUnknown."""
        data = None
        if records.batch(self.ledger.view(), batch) is not None:
            data = self.objects.get(batch.hex())
        if data is None:
            raise _unknown()
        return data

    def groups(self, sender: bytes, asked: GroupsAsked) -> GroupsFound:
        """Groups that the asker may see; raises as `groups.read_ask` and `groups.sight`."""
        ask = groups.read_ask(asked, self.identity.member, self._clock.now_ms())
        view = self.ledger.view()
        seen = groups.sight(view, sender, asked, ask)
        self.follow()
        return groups.found(self.index, seen, ask.after, self._sound)

    def holds(self, asked: HoldsAsked) -> bytes:
        """SHA-256(salt ‖ item) of a container held here; raises Problem BatchUnknown."""
        data = self.objects.get(asked.batch.hex())
        if data is None:
            raise _unknown()
        items = containers.parse(data).items
        if asked.item >= len(items):
            raise Problem(Category.NOT_FOUND, "ItemUnknown", "the container has no such item")
        return hashlib.sha256(asked.salt + items[asked.item]).digest()

    def repair(self, peers: Sequence[Peer], *, deep: bool = False) -> RepairReport:
        """Fetch what should be here; `deep`: read all that is here first. See `repair.repair`."""
        self.tidy()
        return repair(self, peers, deep=deep)

    def probe(self, peers: Sequence[Peer], count: int) -> list[tuple[bytes, bytes]]:
        """Try whether others hold what they gave receipts for; see `repair.probe`."""
        self.follow()
        return probe(self, peers, count)

    def verify_all(self) -> Iterator[Finding]:
        """Read everything anew and tell what is wrong; see `inspect.inspect`."""
        self.follow()
        return inspect(self)

    def tidy(self) -> None:
        """Drop containers that waited a day for their commitment, and packages of ended grants."""
        self.follow()
        view = self.ledger.view()
        before_ms = self._clock.now_ms() - WAITING_CONTAINER_MS_MAX
        for batch in self.index.waiting_since(before_ms):
            if records.batch(view, batch) is None:
                self.index.forget(batch)
                self.objects.delete(batch.hex())
                self.shares.drop(batch)
        self.papers.tidy(view)

    def follow(self) -> None:
        """Take in which batches were committed since."""
        commits.follow(self.ledger, self.index)

    def keep(self, container: Container, data: bytes) -> None:
        """Store a checked container unless these very bytes are here; raises Problem V5, V14."""
        batch = container.head.batch
        if self.index.claim(container, len(data), self._clock.now_ms()) != container.root:
            raise Problem(
                Category.CONFLICT,
                "RootDiffers",
                "this id names another container already; seal the records again under a new id",
                code="V5",
            )
        if self.objects.get(batch.hex()) != data:
            self.objects.put(batch.hex(), data)
        self.index.hold(container)

    def close(self) -> None:
        """Close index and papers; the share store is closed by who opened it."""
        self.index.close()
        self.papers.close()

    def _receipt(
        self, view: View, container: Container, container_bytes: int, *, seated: bool
    ) -> Signed:
        receipt = StorageReceipt(
            author=container.head.author,
            batch=container.head.batch,
            bytes=padme_bytes(container_bytes),
            chain=view.network,
            checked=view.time_ms,
            roles=STORED | (SHARE_ACCEPTED if seated else 0),
            root=container.root,
        )
        return sign_receipt(self.identity.service, receipt)

    def _known_root(self, view: View) -> checks.KnownRoot:
        def known(batch: bytes) -> bytes | None:
            committed = records.batch(view, batch)
            if committed is not None:
                return committed.root
            row = self.index.row(batch)
            return None if row is None else row.root

        return known

    def _make_room(self, container: Container, container_bytes: int) -> None:
        """Check the author's share of what waits here; raises Problem VaultFull (V14)."""
        if self.index.row(container.head.batch) is not None:
            return
        waiting_bytes = self.index.waiting_bytes(container.head.author)
        if waiting_bytes + container_bytes > WAITING_CONTAINER_BYTES_MAX:
            raise Problem(
                Category.BUSY,
                "VaultFull",
                "too much of this author waits for its commitment; commit it first",
                code="V14",
            )

    def _fresh_view(self) -> View:
        age_ms = self._clock.now_ms() - self.ledger.tip.time_ms
        if self._fresh_tip is not None and age_ms > RENEW_MS:
            self._fresh_tip()
        return self.ledger.view()

    def _sound(self, batch: bytes) -> Container | None:
        """A container as the ledger has it, or None; what is damaged is noted for repair."""
        row = self.index.row(batch)
        data = self.objects.get(batch.hex())
        try:
            container = None if data is None else containers.parse(data)
        except Problem:
            container = None
        if container is None or row is None or container.root != row.root:
            self.index.miss(batch)
            return None
        return container

    def _index_all(self) -> None:
        """Index whole containers that the index does not know; the rest is for `verify_all`."""
        for name in self.objects.names():
            batch = bytes.fromhex(name)
            row = self.index.row(batch)
            data = self.objects.get(name) if row is None or not row.held else None
            if data is None:
                continue
            try:
                container = containers.parse(data)
            except Problem:
                continue
            root = self.index.claim(container, len(data), self._clock.now_ms())
            if root == container.root and batch == container.head.batch:
                self.index.hold(container)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=10):
            raise Problem(
                Category.BUSY,
                "VaultBusy",
                "this member checks other containers now; send it to another holder",
                code="V14",
            )
        try:
            yield
        finally:
            self._places.release()


def seat_of(view: View, version: int, member: bytes) -> int | None:
    """The seat number a member has in a version of the seats, or None."""
    seats = consent.seats(view, version)
    holders = () if seats is None else seats.holders
    return next((holder.x for holder in holders if holder.member == member), None)


def _unknown() -> Problem:
    return Problem(
        Category.NOT_FOUND, "BatchUnknown", "this vault holds no such batch; ask another holder"
    )
