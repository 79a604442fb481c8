"""A storage receipt is one member's word about one container of one author."""

import msgspec
import pytest

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.signing import SignatureRefused, SigningKey
from salus.sealed.receipts import (
    SHARE_ACCEPTED,
    STORED,
    StorageReceipt,
    check_receipt,
    receipt_bytes,
    sign_receipt,
)

SERVICE = SigningKey(bytes([3]) * 32)
RECEIPT = StorageReceipt(
    author=bytes([1]) * 16,
    batch=bytes([2]) * 16,
    bytes=603,
    chain=bytes([4]) * 32,
    checked=1_764_000_000_000,
    roles=STORED | SHARE_ACCEPTED,
    root=bytes([5]) * 32,
)


def test_a_receipt_is_signed_for_the_network_it_names() -> None:
    """What the service key signed is read back; another network's check refuses it."""
    signed = sign_receipt(SERVICE, RECEIPT)

    assert receipt_bytes(RECEIPT) == signed.data
    assert RECEIPT == check_receipt(SERVICE.public, RECEIPT.chain, *signed)
    with pytest.raises(SignatureRefused):
        check_receipt(SERVICE.public, bytes(32), *signed)


@pytest.mark.parametrize("field", ["author", "batch", "bytes", "checked", "roles", "root"])
def test_no_field_can_be_changed(field: str) -> None:
    """Author, batch, size, time, roles and root are all under the signature."""
    other = {"bytes": 604, "checked": 1, "roles": STORED}.get(field, bytes([9]) * 32)
    if field in {"author", "batch"}:
        other = bytes([9]) * 16
    forged = receipt_bytes(msgspec.structs.replace(RECEIPT, **{field: other}))

    with pytest.raises(SignatureRefused):
        check_receipt(SERVICE.public, RECEIPT.chain, forged, sign_receipt(SERVICE, RECEIPT)[1])


@pytest.mark.parametrize("roles", [0, 4])
def test_a_receipt_has_a_known_role(roles: int) -> None:
    """A receipt for nothing, or for a role nobody knows, does not decode."""
    with pytest.raises(Malformed):
        codec.decode(receipt_bytes(msgspec.structs.replace(RECEIPT, roles=roles)), StorageReceipt)
