"""
What is said at a vault's door; every body is the canonical encoding of one of these.

    vault/put            PutAsked           -> SignedReceipt
    vault/get            BatchAsked         -> ContainerFound
    vault/groups         GroupsAsked        -> GroupsFound
    vault/holds          HoldsAsked         -> HoldsFound
    vault/sheet/put      SheetPut           -> Done
    vault/sheet/get      SheetAsked         -> SheetFound
    vault/package/put    PackagePut         -> Done
    vault/package/get    PackagesOf         -> PackagesFound
    vault/package/list   PackagesAsked      -> PackagesFound
"""

from typing import Annotated, ClassVar

import msgspec

from salus.base.codec import Struct
from salus.base.limits import PACKAGE_BYTES_MAX, TERMS_ITEMS_MAX
from salus.base.types import U8, U16, Count, Hash32, Id16, MemberId, Signature, Tag, TimeMs
from salus.sealed.acts import SignedStruct
from salus.sealed.grants import Purpose
from salus.sealed.release import ShownTerms
from salus.sealed.sheet import Sheet, SheetExtract

PUT = "vault/put"
GET = "vault/get"
GROUPS = "vault/groups"
HOLDS = "vault/holds"
SHEET_PUT = "vault/sheet/put"
SHEET_GET = "vault/sheet/get"
PACKAGE_PUT = "vault/package/put"
PACKAGE_GET = "vault/package/get"
PACKAGE_LIST = "vault/package/list"

Cursor = Annotated[bytes, msgspec.Meta(min_length=24, max_length=24)]
"""Height u64 ‖ batch of the last batch seen; the same at every member."""

Tags = Annotated[list[Tag], msgspec.Meta(min_length=1, max_length=TERMS_ITEMS_MAX)]

SealedPackage = Annotated[bytes, msgspec.Meta(min_length=1, max_length=PACKAGE_BYTES_MAX)]


class Done(Struct, frozen=True):
    """It is stored and synced."""


class PutAsked(Struct, frozen=True):
    """Keep this container."""

    container: bytes


class SignedReceipt(Struct, frozen=True):
    """A storage receipt as `records.commit_batch` carries it."""

    receipt: bytes
    signature: Signature


class BatchAsked(Struct, frozen=True):
    """Give a whole container."""

    batch: Id16


class ContainerFound(Struct, frozen=True):
    """One container, whole."""

    container: bytes


class ReaderAsks(Struct, frozen=True):
    """A reader's claim: as a witness would check it, without an intent."""

    purpose: Purpose
    shown: ShownTerms
    practitioner: Id16 | None = None


class GroupsAsk(SignedStruct, frozen=True):
    """
    Ask for groups; exactly one of `reader`, `owner` and `author`.

    Signed by the wallet's key if the terms name a wallet, by the tag's control key if the owner
    asks; for a member the signed call is enough.
    """

    domain: ClassVar[str] = "groups-ask"

    created_ms: TimeMs
    to: MemberId
    """The member whose vault is asked."""

    after: Cursor | None = None
    author: Tags | None = None
    """Of batches that the asking member wrote: these tags' groups."""

    owner: Tag | None = None
    reader: ReaderAsks | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless exactly one is set."""
        if sum(claim is not None for claim in (self.author, self.owner, self.reader)) != 1:
            raise ValueError("expected one of author, owner and reader")


class GroupsAsked(Struct, frozen=True):
    """The question as any member may carry it."""

    ask: bytes
    """Canonical bytes of `GroupsAsk`."""

    signature: Signature | None = None


class FoundBatch(Struct, frozen=True):
    """One batch's groups."""

    batch: Id16
    container: bytes
    """Pruned; its root is the ledger's."""


class GroupsFound(Struct, frozen=True):
    """At most 8 MiB of them, or a single larger one, in the order of their commitment."""

    batches: list[FoundBatch]
    next: Cursor | None = None
    """Where to go on; absent: that was all."""


class HoldsAsked(Struct, frozen=True):
    """Prove that you hold a container, by SHA-256(salt ‖ part)."""

    batch: Id16
    part: U16
    """Position among its items and, behind them, its blobs."""

    salt: Hash32
    """Random, so that no answer can be kept instead of the container."""


class HoldsFound(Struct, frozen=True):
    """The proof."""

    digest: Hash32


class SheetPut(Struct, frozen=True):
    """Keep a tag's sheet."""

    sheet: Sheet


class SlotAsked(Struct, frozen=True):
    """One slot."""

    index: U16
    level: U8


class SheetAsked(Struct, frozen=True):
    """Give a tag's whole sheet, or one slot's key with its path."""

    tag: Tag
    slot: SlotAsked | None = None


class SheetFound(Struct, frozen=True):
    """`extract` if a slot was asked for, else `sheet`."""

    extract: SheetExtract | None = None
    sheet: Sheet | None = None


class PackagePut(Struct, frozen=True):
    """Keep a grant's sealed package for its reader."""

    grant: Id16
    sealed: SealedPackage


class PackagesOf(Struct, frozen=True):
    """Give one grant's packages."""

    grant: Id16


class PackagesAsked(Struct, frozen=True):
    """Give all packages after a number; a gateway tries each new one."""

    after: Count
    """Numbers are this vault's own; 0 at first."""


class FoundPackage(Struct, frozen=True):
    """One package."""

    grant: Id16
    number: Count
    sealed: SealedPackage


class PackagesFound(Struct, frozen=True):
    """By number, ascending."""

    packages: list[FoundPackage]
    more: bool
    """Whether others follow the last."""
