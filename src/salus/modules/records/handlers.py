"""What happens: one function a message."""

from itertools import pairwise

from salus.base import codec
from salus.base.limits import CONTAINER_BYTES_MAX
from salus.base.signing import SignatureRefused
from salus.machine.context import Context
from salus.modules.consent import queries as consent
from salus.modules.members import queries as members
from salus.modules.records import refusals, rules
from salus.modules.records.events import BatchCommitted
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.modules.records.queries import batch, copies_needed
from salus.modules.records.state import BATCH, Batch
from salus.sealed import acts
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt


def commit_batch(ctx: Context, msg: CommitBatch) -> None:
    """
    Make a container that enough members hold valid; the signer is its author.

    Reads `consent.seats`, members' service keys, `vault.copies`; writes `records.batch`; emits
    `BatchCommitted`. Refuses, in this order: BatchExists, SeatsNotCurrent, BatchTooLarge,
    ReceiptsUnsorted; for each receipt in turn ReceiptSignerUnknown, ReceiptMalformed,
    ReceiptTooOld, ReceiptInFuture, ReceiptBadSignature, AuthorDiffers, ReceiptDiffers; then
    TooFewStored, TooFewShares.
    """
    # Check.
    if batch(ctx, msg.batch) is not None:
        raise refusals.BatchExists(batch=msg.batch)
    seats = consent.seats_valid(ctx, msg.seats)
    if seats is None:
        raise refusals.SeatsNotCurrent(found=msg.seats)
    if msg.bytes > CONTAINER_BYTES_MAX:
        raise refusals.BatchTooLarge(limit_bytes=CONTAINER_BYTES_MAX, found_bytes=msg.bytes)
    for position, (earlier, later) in enumerate(pairwise(msg.receipts), start=1):
        if earlier.member >= later.member:
            raise refusals.ReceiptsUnsorted(position=position)
    roles = {one.member: _check_receipt(ctx, msg, one).roles for one in msg.receipts}
    storing = [member for member, role in roles.items() if role & STORED]
    needed = copies_needed(ctx)
    if len(storing) < needed:
        raise refusals.TooFewStored(needed=needed, found=len(storing))
    accepting = [holder for holder in seats.holders if roles.get(holder.member, 0) & SHARE_ACCEPTED]
    if len(accepting) < seats.threshold:
        raise refusals.TooFewShares(needed=seats.threshold, found=len(accepting))

    # Change.
    row = Batch(
        author=ctx.member,
        bytes=msg.bytes,
        root=msg.root,
        stored=_numbers(ctx, storing),
        time_ms=ctx.time_ms,
    )
    ctx.write(BATCH, row, msg.batch)

    # Tell.
    ctx.emit(BatchCommitted(author=ctx.member, batch=msg.batch, root=msg.root))


def _check_receipt(ctx: Context, msg: CommitBatch, one: MemberReceipt) -> StorageReceipt:
    keys = members.keys(ctx, one.member, rules.SERVICE, ctx.time_ms)
    if not keys or not members.active(ctx, one.member):
        raise refusals.ReceiptSignerUnknown(member=one.member)
    try:
        receipt = codec.decode(one.receipt, StorageReceipt)
    except codec.Malformed:
        raise refusals.ReceiptMalformed(member=one.member) from None
    if rules.is_too_old(receipt.checked, ctx.time_ms):
        raise refusals.ReceiptTooOld(checked_ms=receipt.checked, block_ms=ctx.time_ms)
    if receipt.checked > ctx.time_ms:
        raise refusals.ReceiptInFuture(checked_ms=receipt.checked, block_ms=ctx.time_ms)
    if not any(_is_signed(ctx, key, one) for key in keys):
        raise refusals.ReceiptBadSignature(member=one.member)
    if receipt.author != ctx.member:
        raise refusals.AuthorDiffers(member=one.member)
    found = (receipt.chain, receipt.batch, receipt.root, receipt.bytes)
    if found != (ctx.network, msg.batch, msg.root, msg.bytes):
        raise refusals.ReceiptDiffers(member=one.member)
    return receipt


def _is_signed(ctx: Context, key: bytes, one: MemberReceipt) -> bool:
    try:
        acts.check_signature(StorageReceipt, key, ctx.network, one.receipt, one.signature)
    except SignatureRefused:
        return False
    return True


def _numbers(ctx: Context, storing: list[bytes]) -> list[int]:
    """Give the numbers of members that were checked to exist, ascending."""
    rows = [members.member(ctx, member) for member in storing]
    return sorted(row.number for row in rows if row is not None)
