"""A ledger with seats, tags and grants, and messages that a test can spoil one rule at a time."""

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.base import codec
from salus.base.errors import Refusal
from salus.base.hashing import ZERO32
from salus.base.signing import SigningKey
from salus.modules.consent.messages import PutGrant, RevokeGrant, StopTag, UpdateTag
from salus.modules.consent.state import TAG, TagRecord
from salus.sealed import acts
from salus.sealed.acts import SignedStruct, StopTagAct, UpdateTagAct
from salus.sealed.grants import PutGrantAct, RevokeGrantAct
from tests.support.machine import Actor, Ledger

Row = tuple[type[Refusal], dict[str, Any]]

BAD_KEY = b"\x01\x01" + bytes(31)
"""The neutral point: any signature might hold for it."""

HOUR_MS = 3_600_000


def key(number: int) -> SigningKey:
    """One of the patients' keys."""
    return SigningKey(bytes([number]) * 32)


CONTROL = key(1)
NEW_CONTROL = key(2)
STRANGER = key(3)
GRANT_KEY = key(4)

OPEN = b"\x10" * 16
CLOSED = b"\x20" * 16
UNKNOWN = b"\x30" * 16
GRANT = b"\x40" * 16
REVOKED = b"\x50" * 16


def seats(members: Sequence[Actor]) -> dict[str, Any]:
    """The genesis sections: every member holds a seat, x from 1 on."""
    holders = [{"x": number, "member": one.id.hex()} for number, one in enumerate(members, start=1)]
    return {"consent": holders}


def new_ledger(members: int = 4) -> Ledger:
    """Members with seats and nothing else."""
    return Ledger(members=members, sections=seats)


def ledger_with_tags() -> Ledger:
    """An open tag of sequence 0 and a closed one, both under CONTROL."""
    ledger = new_ledger()
    record = TagRecord(
        control_key=CONTROL.public,
        era=0,
        first_day=0,
        generation=0,
        open=True,
        sequence=0,
        sheet_root=ZERO32,
    )
    with ledger.trying() as ctx:
        ctx.write(TAG, record, OPEN)
        ctx.write(TAG, msgspec.structs.replace(record, open=False), CLOSED)
    return ledger


def rows(defects: dict[type[Refusal], dict[str, Any]]) -> list[Row]:
    """One row a refusal: its own defect and all later ones, an earlier one first."""
    table: list[Row] = []
    spoiled: dict[str, Any] = {}
    for refusal, defect in reversed(list(defects.items())):
        spoiled = {**spoiled, **defect}
        table.append((refusal, spoiled))
    return table[::-1]


def update(
    ledger: Ledger,
    *,
    signer: SigningKey = CONTROL,
    prover: SigningKey | None = None,
    raw: bytes | None = None,
    **fields: Any,
) -> UpdateTag:
    """The first update of the open tag, with other fields, signers or bytes."""
    act = UpdateTagAct(
        **{
            "control_key": CONTROL.public,
            "era": 0,
            "first_day": 46_272,
            "generation": 0,
            "open": True,
            "sequence": 1,
            "sheet_root": b"\x07" * 32,
            "tag": OPEN,
            **fields,
        }
    )
    signed = acts.sign(signer, ledger.network, act)
    proof = None if prover is None else acts.prove_new_key(prover, ledger.network, signed.data)
    return UpdateTag(act=raw or signed.data, signature=signed.signature, proof=proof)


def stop(
    ledger: Ledger, *, signer: SigningKey = CONTROL, raw: bytes | None = None, **fields: Any
) -> StopTag:
    """The first stop of the open tag, with other fields, signer or bytes."""
    act = StopTagAct(**{"era": 1, "sequence": 1, "tag": OPEN, **fields})
    return StopTag(**_signed(ledger, signer, act, raw))


def put(
    ledger: Ledger, *, signer: SigningKey = GRANT_KEY, raw: bytes | None = None, **fields: Any
) -> PutGrant:
    """A grant for a week, with other fields, signer or bytes."""
    act = PutGrantAct(
        **{
            "commitment": b"\x08" * 32,
            "grant": GRANT,
            "grant_key": GRANT_KEY.public,
            "until_ms": full_hour_after(ledger.time_ms + 7 * 24 * HOUR_MS),
            **fields,
        }
    )
    return PutGrant(**_signed(ledger, signer, act, raw))


def revoke(
    ledger: Ledger, *, signer: SigningKey = GRANT_KEY, raw: bytes | None = None, **fields: Any
) -> RevokeGrant:
    """The end of the grant, with other fields, signer or bytes."""
    act = RevokeGrantAct(**{"grant": GRANT, **fields})
    return RevokeGrant(**_signed(ledger, signer, act, raw))


def full_hour_after(time_ms: int) -> int:
    """The next full hour."""
    return time_ms - time_ms % HOUR_MS + HOUR_MS


def twin(act: SignedStruct) -> bytes:
    """Bytes of the same value in another order of fields: well-formed, not canonical."""
    plain: dict[str, Any] = msgspec.msgpack.decode(codec.encode(act))
    return msgspec.msgpack.encode(dict(reversed(plain.items())))


def _signed(
    ledger: Ledger, signer: SigningKey, act: SignedStruct, raw: bytes | None
) -> dict[str, bytes]:
    signed = acts.sign(signer, ledger.network, act)
    return {"act": raw or signed.data, "signature": signed.signature}
