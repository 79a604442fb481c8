"""A batch with its receipts, from which a test takes or spoils one thing at a time."""

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.base.codec import encode
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.sealed import acts
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt
from tests.support.machine import BLOCK_MS, Actor, Ledger

BATCH = b"\x61" * 16
ROOT = b"\x62" * 32
BYTES = 1_024
BOTH = STORED | SHARE_ACCEPTED


def receipt_of(ledger: Ledger, author: Actor, /, **fields: Any) -> StorageReceipt:
    """What a member says that checked the batch in the newest block, with other fields."""
    return StorageReceipt(
        **{
            "author": author.id,
            "batch": BATCH,
            "bytes": BYTES,
            "chain": ledger.network,
            "checked": ledger.time_ms,
            "roles": BOTH,
            "root": ROOT,
            **fields,
        }
    )


def signed(
    ledger: Ledger, member: Actor, receipt: StorageReceipt, *, signer: Actor | None = None
) -> MemberReceipt:
    """The member's receipt, signed by its service key or by another's."""
    data, signature = acts.sign((signer or member).service, ledger.network, receipt)
    return MemberReceipt(member=member.id, receipt=data, signature=signature)


def receipts(
    ledger: Ledger, author: Actor, members: Sequence[Actor], **fields: Any
) -> list[MemberReceipt]:
    """Good receipts of these members, ascending by their ids."""
    receipt = receipt_of(ledger, author, **fields)
    ordered = sorted(members, key=lambda one: one.id)
    return [signed(ledger, member, receipt) for member in ordered]


def commit(given: Sequence[MemberReceipt], **fields: Any) -> CommitBatch:
    """The batch with these receipts, with other fields."""
    return CommitBatch(
        **{
            "batch": BATCH,
            "bytes": BYTES,
            "receipts": list(given),
            "root": ROOT,
            "seats": 1,
            **fields,
        }
    )


def twin(receipt: StorageReceipt) -> bytes:
    """Bytes of the same receipt in another order of fields."""
    plain: dict[str, Any] = msgspec.msgpack.decode(encode(receipt))
    return msgspec.msgpack.encode(dict(reversed(plain.items())))


def block_ms(ledger: Ledger) -> int:
    """Time of the next block."""
    return ledger.time_ms + BLOCK_MS
