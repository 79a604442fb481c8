"""
The vault's audit: every container read anew and held to the ledger (`salus audit`).

A container is sound if it is whole, its root is the ledger's (a waiting one: the index's), its
blobs have their hashes, and its author signed it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from salus.base.errors import Problem
from salus.machine.context import View
from salus.modules.records import queries as records
from salus.node.vault.checks import check_signed
from salus.node.vault.index import Row
from salus.sealed import checks
from salus.sealed import container as containers
from salus.sealed.container import Container

if TYPE_CHECKING:
    from salus.node.vault.vault import Vault


class Finding(NamedTuple):
    """One thing that is wrong; `salus repair` fetches a sound copy."""

    batch: bytes
    name: str
    """ContainerLost, ContainerDamaged, SharesLost, or a check's: RootDiffers, BlobDiffers, …."""

    text: str


def inspect(vault: "Vault") -> Iterator[Finding]:
    """Read every container the vault should have; damaged and lost ones count as not held."""
    view = vault.ledger.view()
    for row in vault.index.held():
        try:
            load(vault, view, row.batch, row.root)
        except Problem as problem:
            vault.index.miss(row.batch)
            yield Finding(row.batch, problem.name, problem.text)
    for row in vault.index.committed():
        yield from _lost(vault, view, row)


def load(vault: "Vault", view: View, batch: bytes, root: bytes) -> Container:
    """
    Read a container and check all that needs no other copy.

    Raises Problem ContainerLost, and as `sound`.
    """
    data = vault.objects.get(batch.hex())
    if data is None:
        raise records_problem("ContainerLost", "its file is gone")
    return sound(view, data, batch, root)


def sound(view: View, data: bytes, batch: bytes, root: bytes) -> Container:
    """
    Parse a container that should have this id and root.

    Raises Problem RootDiffers, and as `container.parse`, `sealed.checks`, `checks.check_signed`.
    """
    container = containers.parse(data)
    checks.check_complete(container)
    if container.root != root or container.head.batch != batch:
        raise records_problem("RootDiffers", "its root is not the ledger's")
    checks.check_blobs(container)
    check_signed(view, container)
    return container


def needs(vault: "Vault", view: View, row: Row) -> tuple[bool, int | None]:
    """Whether the vault should hold a batch and does not, and the seat whose shares it lacks."""
    me = vault.identity.member
    batch = records.batch(view, row.batch)
    if batch is None:
        return False, None
    lacks = not row.held and me in placed(view, row)
    held = vault.shares.batch(row.batch)
    seat = vault_seat(vault, view)
    lacks_shares = seat is not None and (held is None or held.root != row.root)
    return lacks, seat if lacks_shares else None
