"""What may be asked of members."""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.base.types import U8, U16, Hash32, Id16, PublicKey, Signature, TimeMs
from salus.machine.module import Message
from salus.modules.members.state import Address, Certificate


class AddKey(Message, frozen=True, tag="members.add_key"):
    """Give the signing member one more key; it counts from this block on."""

    use: U8
    """1 transaction, 2 sealing, 4 service, 5 log, 6 node."""

    key: PublicKey
    """Algorithm byte 1 ‖ 32 B: Ed25519, for use 2 X25519."""

    proof: Signature | None = None
    """By the new key over `rules.add_key_bytes`; absent for use 2, which cannot sign."""


class RetireKey(Message, frozen=True, tag="members.retire_key"):
    """Stop a key of the signing member, at once and for good."""

    use: U8
    key: PublicKey


class SetAddress(Message, frozen=True, tag="members.set_address"):
    """Say where the signing member's node is reached, and by which certificates it is known."""

    address: Address
    """`https://host[:port][/path]`, lower case."""

    certificates: Annotated[list[Certificate], msgspec.Meta(max_length=2)]
    """DER; each holds a live service key of the member as its public key (RFC 8410)."""


class Voucher(Struct, frozen=True):
    """An issuer's word for a new practitioner."""

    id: Id16
    """A practitioner of the signing member with role 7."""

    sig: Signature
    """Over `rules.claim_bytes`."""


class RegisterPractitioner(Message, frozen=True, tag="members.register_practitioner"):
    """Let a person act for the signing member; two issuers of that member vouch for it."""

    id: Id16
    """Random; the person's name on the ledger."""

    role: U16
    """1 physician, 2 nurse, 3 pharmacist, 4 clinician, 5 researcher, 6 technician, 7 issuer, 8 privacy officer, 9 system."""  # noqa: E501 (one list)

    key: PublicKey
    """Ed25519, the person's own."""

    credential: Hash32
    """Salted commitment to the credential that was checked."""

    from_ms: TimeMs
    until_ms: TimeMs
    """First block time at which the person may act no more; at most 366 days after `from_ms`."""

    issuers: Annotated[list[Voucher], msgspec.Meta(min_length=2, max_length=2)]
    """By two different people, in any order."""

    proof: Signature
    """By the new key over `rules.claim_bytes`."""


class EndPractitioner(Message, frozen=True, tag="members.end_practitioner"):
    """End a practitioner of the signing member, at once and for good."""

    id: Id16
