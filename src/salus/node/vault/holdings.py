"""
What a vault has: containers in an object store, its index of them, and the own seat's shares.

`put`, `repair` and the audit all go through here, so that there is one way to store a container and
one way to believe one.
"""

from collections.abc import Iterator
from typing import NamedTuple

from salus.base.errors import Category, Problem
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.node.ledger import Ledger
from salus.node.peers import Identity
from salus.node.ports import Clock
from salus.node.vault import commits
from salus.node.vault.checks import check_signed
from salus.node.vault.index import Index
from salus.node.vault.objects import ObjectStore
from salus.node.witness.shares import ShareStore
from salus.sealed import checks
from salus.sealed import container as containers
from salus.sealed.container import Container

NO_SEAT = 0
"""Noted of a batch whose seats this member holds none of; true seats begin at 1."""


class Finding(NamedTuple):
    """One thing that is wrong; `salus repair` fetches a sound copy."""

    batch: bytes
    name: str
    """ContainerLost, SharesLost, or a check's: RootDiffers, BlobDiffers, BatchMalformed, …."""

    text: str


class Holdings:
    """One member's; any thread calls."""

    def __init__(
        self,
        ledger: Ledger,
        identity: Identity,
        objects: ObjectStore,
        index: Index,
        shares: ShareStore,
        clock: Clock,
    ) -> None:
        """Take the parts, and index what an interrupted end left unindexed."""
        self.ledger = ledger
        self.identity = identity
        self.objects = objects
        self.index = index
        self.shares = shares
        self.clock = clock
        self._index_all()

    def follow(self) -> None:
        """Take in which batches were committed since."""
        commits.follow(self.ledger, self.index)

    def keep(self, view: View, container: Container, data: bytes) -> None:
        """Store a checked container unless these very bytes are here; raises Problem V5, V14."""
        batch = container.head.batch
        if self.index.claim(container, len(data), self.clock.now_ms()) != container.root:
            raise Problem(
                Category.CONFLICT,
                "RootDiffers",
                "this id names another container already; seal the records again under a new id",
                code="V5",
            )
        if self.objects.get(batch.hex()) != data:
            self.objects.put(batch.hex(), data)
        self.index.hold(container, self.seat_in(view, container) or NO_SEAT)

    def keep_shares(self, container: Container, x: int, shares: dict[int, bytes]) -> None:
        """Store the own seat's opened shares; synced when this returns."""
        self.shares.keep(container, x, shares)
        self.index.seat(container.head.batch, x)

    def seat_in(self, view: View, container: Container) -> int | None:
        """The seat number this member has among the seats a container names, or None."""
        seats = consent.seats(view, container.head.seats)
        me = self.identity.member
        holders = () if seats is None else seats.holders
        return next((holder.x for holder in holders if holder.member == me), None)

    def drop(self, batch: bytes) -> None:
        """Forget a batch that was never committed."""
        self.index.forget(batch)
        self.objects.delete(batch.hex())
        self.shares.drop(batch)

    def served(self, batch: bytes) -> Container | None:
        """A container under its known root, or None; what is damaged is noted for repair."""
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

    def load(self, view: View, batch: bytes, root: bytes) -> Container:
        """Read a container and check it; raises Problem ContainerLost, and as `sound`."""
        data = self.objects.get(batch.hex())
        if data is None:
            raise Problem(
                Category.NOT_FOUND, "ContainerLost", "the container is gone; run `salus repair`"
            )
        return sound(view, data, batch, root)

    def reread(self, view: View, batch: bytes, root: bytes) -> Finding | None:
        """Read and check one container; what is unsound counts as not held from now on."""
        try:
            self.load(view, batch, root)
        except Problem as problem:
            self.index.miss(batch)
            return Finding(batch, problem.name, problem.text)
        return None

    def inspect(self) -> Iterator[Finding]:
        """Read every container and look for every share; what is unsound counts as not held."""
        view = self.ledger.view()
        for row in self.index.held():
            finding = self.reread(view, row.batch, row.root)
            if finding is not None:
                yield finding
        for row in self.index.committed():
            held = self.shares.batch(row.batch)
            if row.seat and (held is None or held.root != row.root):
                yield Finding(
                    row.batch, "SharesLost", "this seat's shares are gone; run `salus repair`"
                )

    def _index_all(self) -> None:
        """Index whole containers that the index lacks; the rest is for `inspect` and repair."""
        view = self.ledger.view()
        for name in self.objects.names():
            row = self.index.row(bytes.fromhex(name))
            data = self.objects.get(name) if row is None or not row.held else None
            if data is None:
                continue
            try:
                container = containers.parse(data)
            except Problem:
                continue
            root = self.index.claim(container, len(data), self.clock.now_ms())
            if root == container.root and name == container.head.batch.hex():
                self.index.hold(container, self.seat_in(view, container) or NO_SEAT)


def sound(view: View, data: bytes, batch: bytes, root: bytes) -> Container:
    """
    Parse a container that should have this id and root, and check all that it says of itself.

    Raises Problem RootDiffers, and as `container.parse`, `check_complete`, `check_blobs`,
    `check_signed`.
    """
    container = containers.parse(data)
    checks.check_complete(container)
    if container.root != root or container.head.batch != batch:
        raise Problem(
            Category.UNVERIFIED,
            "RootDiffers",
            "the container is not the one the ledger names; fetch it from another holder",
            code="V5",
        )
    checks.check_blobs(container)
    check_signed(view, container)
    return container
