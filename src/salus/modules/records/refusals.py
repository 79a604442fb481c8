"""Why records refuses; 1 is the machine's NotAMember. Numbers not here are reserved (README)."""

from salus.base.errors import Category, Refusal


class BatchExists(Refusal, number=2, category=Category.CONFLICT):
    """The id names a batch already; a new container takes a new id and new keys."""

    batch: bytes


class SeatsNotCurrent(Refusal, number=3, category=Category.CONFLICT):
    """The shares were made for other seats than the current; seal again for these."""

    found: int


class BatchTooLarge(Refusal, number=4, category=Category.TOO_LARGE):
    """A container has at most 32 MiB; cut it into several batches."""

    limit_bytes: int
    found_bytes: int


class ReceiptsUnsorted(Refusal, number=5, category=Category.INVALID):
    """Receipts stand in ascending order of their members, one each."""

    position: int


class ReceiptSignerUnknown(Refusal, number=6, category=Category.FORBIDDEN):
    """The receipt's member is not active, or has no service key."""

    member: bytes


class ReceiptTooOld(Refusal, number=7, category=Category.INVALID):
    """The receipt was made more than 120 s of block time ago; ask the member again."""

    checked_ms: int
    block_ms: int


class ReceiptInFuture(Refusal, number=8, category=Category.INVALID):
    """The receipt names a state later than this block."""

    checked_ms: int
    block_ms: int


class ReceiptBadSignature(Refusal, number=9, category=Category.UNAUTHENTICATED):
    """No service key of the member signed these bytes for this network."""

    member: bytes


class TooFewStored(Refusal, number=10, category=Category.CONFLICT):
    """Too few members hold the container; send it to more of them."""

    needed: int
    found: int


class TooFewShares(Refusal, number=11, category=Category.CONFLICT):
    """Too few seats accepted their shares; send the container to more of them."""

    needed: int
    found: int


class AuthorDiffers(Refusal, number=18, category=Category.FORBIDDEN):
    """The member stored another author's container; only that author may commit it."""

    member: bytes


class ReceiptMalformed(Refusal, number=19, category=Category.MALFORMED):
    """The receipt is not the canonical encoding of a StorageReceipt."""

    member: bytes


class ReceiptDiffers(Refusal, number=20, category=Category.INVALID):
    """The receipt is of another network, batch, root or size than the message."""

    member: bytes


REFUSALS = (
    BatchExists,
    SeatsNotCurrent,
    BatchTooLarge,
    ReceiptsUnsorted,
    ReceiptSignerUnknown,
    ReceiptTooOld,
    ReceiptInFuture,
    ReceiptBadSignature,
    TooFewStored,
    TooFewShares,
    AuthorDiffers,
    ReceiptMalformed,
    ReceiptDiffers,
)
