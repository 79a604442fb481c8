"""The checks that acts of patients share; each raises a refusal and changes nothing."""

from typing import TypeVar

from salus.base import codec
from salus.base.signing import SignatureRefused
from salus.machine.context import Context
from salus.modules.consent import refusals, rules
from salus.modules.consent.messages import UpdateTag
from salus.modules.consent.queries import tag
from salus.modules.consent.state import TagRecord
from salus.sealed import acts
from salus.sealed.acts import SignedStruct, TagRegistration, UpdateTagAct

Kind = TypeVar("Kind", bound=SignedStruct)


def read_act(kind: type[Kind], act: bytes) -> Kind:
    """Decode an act; refuses ActMalformed."""
    try:
        return codec.decode(act, kind)
    except codec.Malformed:
        raise refusals.ActMalformed from None


def record_before(ctx: Context, name: bytes, sequence: int) -> TagRecord:
    """Give the record an act changes; refuses TagUnknown, TagClosed, SequenceNotNext."""
    record = tag(ctx, name)
    if record is None:
        raise refusals.TagUnknown(tag=name)
    if not record.open:
        raise refusals.TagClosed(tag=name)
    if sequence != record.sequence + 1:
        raise refusals.SequenceNotNext(expected=record.sequence + 1, found=sequence)
    return record


def check_signature(
    ctx: Context, kind: type[SignedStruct], key: bytes, act: bytes, signature: bytes
) -> None:
    """Check who signed an act; refuses ActBadSignature."""
    try:
        acts.check_signature(kind, key, ctx.network, act, signature)
    except SignatureRefused:
        raise refusals.ActBadSignature from None


def check_new_tag(ctx: Context, new: TagRegistration) -> None:
    """Check one new tag; refuses TagExists, KeyInvalid, ActBadSignature."""
    if tag(ctx, new.tag) is not None:
        raise refusals.TagExists(tag=new.tag)
    if not rules.is_key(new.control_key):
        raise refusals.KeyInvalid
    try:
        acts.check_registration(ctx.network, new)
    except SignatureRefused:
        raise refusals.ActBadSignature from None


def check_control_key(ctx: Context, record: TagRecord, act: UpdateTagAct, msg: UpdateTag) -> None:
    """Check the key an update leaves in charge; refuses KeyInvalid, NewKeyNotProven."""
    if act.control_key == record.control_key:
        if msg.proof is not None:
            raise refusals.NewKeyNotProven
        return
    if not rules.is_key(act.control_key):
        raise refusals.KeyInvalid
    if msg.proof is None:
        raise refusals.NewKeyNotProven
    try:
        acts.check_new_key(act.control_key, ctx.network, msg.act, msg.proof)
    except SignatureRefused:
        raise refusals.NewKeyNotProven from None
