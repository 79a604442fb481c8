"""What members vote into being about members: each action with its check and its deed."""

from typing import Annotated

import msgspec

from salus.base.codec import Struct
from salus.base.signing import key_id, member_id
from salus.base.types import U8, Hash32, Id16, MemberId, PublicKey, Text64
from salus.machine.context import Context
from salus.machine.module import Action, ActionRule
from salus.machine.tables import META
from salus.modules.members import changes, queries, refusals, rules
from salus.modules.members.state import (
    ISSUER,
    LOG,
    NODE,
    SEALING,
    SERVICE,
    TRANSACTION,
    Address,
    Member,
    Power,
    Practitioner,
)

KEYS_MAX = 40
"""Keys of one admission: 32 + 4 × 2."""


class NewKey(Struct, frozen=True):
    """A key that comes with a member; the vote stands in for its proof."""

    use: U8
    key: PublicKey


class NewIssuer(Struct, frozen=True):
    """One of the first two who vouch for the member's practitioners; valid for 366 days."""

    id: Id16
    key: PublicKey
    credential: Hash32


Keys = Annotated[list[NewKey], msgspec.Meta(min_length=1, max_length=KEYS_MAX)]
Issuers = Annotated[list[NewIssuer], msgspec.Meta(max_length=2)]


class Admit(Action, frozen=True, tag="members.admit"):
    """Take in a member with its first keys and issuers."""

    name: Text64
    keys: Keys
    """1 to 32 of use 1, 1 or 2 of uses 2, 4 and 5, at most 2 of use 6; the first names it."""

    issuers: Issuers
    """Two, or none."""

    address: Address | None = None


class Suspend(Action, frozen=True, tag="members.suspend"):
    """Take a member's voice for a time."""

    member: MemberId


class Resume(Action, frozen=True, tag="members.resume"):
    """Give a suspended member its voice again."""

    member: MemberId


class Remove(Action, frozen=True, tag="members.remove"):
    """Let a member go for good; its number is never given again."""

    member: MemberId


class ReplaceKeys(Action, frozen=True, tag="members.replace_keys"):
    """Retire all live keys of the uses named and put these; for lost or stolen keys."""

    member: MemberId
    keys: Keys
    issuers: Issuers
    """Two further issuers if those before are lost or lapsed, else none."""


class SetPower(Action, frozen=True, tag="members.set_power"):
    """Say what a member's node weighs in consensus."""

    member: MemberId
    power: Power


def check_admit(ctx: Context, action: Admit) -> None:
    """Refuses: MemberExists, KeysInvalid, TooManyMembers, AddressMalformed, then of issuers."""
    first = first_key(action.keys)
    member = b"" if first is None else member_id(first)
    if member and queries.member(ctx, member) is not None:
        raise refusals.MemberExists(member=member)
    _check_keys(ctx, action.keys)
    for use in (TRANSACTION, SEALING, SERVICE, LOG):
        if not any(new.use == use for new in action.keys):
            raise refusals.KeysInvalid(use=use)
    if len(queries.admitted(ctx)) >= rules.MEMBERS_MAX:
        raise refusals.TooManyMembers
    if action.address is not None and not rules.is_address(action.address):
        raise refusals.AddressMalformed
    _check_issuers(ctx, action.issuers)


def admit(ctx: Context, action: Admit) -> None:
    """Put the member, its keys and issuers."""
    first = first_key(action.keys)
    member = changes.add_member(ctx, first or b"", action.name, action.address)
    _add(ctx, member, action.keys, action.issuers)


def check_suspend(ctx: Context, action: Suspend) -> None:
    """Refuses: MemberUnknown, StatusWrong, LastMember, NoValidatorLeft."""
    if _member(ctx, action.member).status != "active":
        raise refusals.StatusWrong(member=action.member)
    _check_others(ctx, action.member)


def suspend(ctx: Context, action: Suspend) -> None:
    """Take the member off the roster."""
    changes.set_status(ctx, action.member, "suspended")


def check_resume(ctx: Context, action: Resume) -> None:
    """Refuses: MemberUnknown, StatusWrong."""
    if _member(ctx, action.member).status != "suspended":
        raise refusals.StatusWrong(member=action.member)


def resume(ctx: Context, action: Resume) -> None:
    """Put the member on the roster again; its power returns."""
    changes.set_status(ctx, action.member, "active")


def check_remove(ctx: Context, action: Remove) -> None:
    """Refuses: MemberUnknown, StatusWrong, LastMember, NoValidatorLeft."""
    if _member(ctx, action.member).status == "removed":
        raise refusals.StatusWrong(member=action.member)
    _check_others(ctx, action.member)


def remove(ctx: Context, action: Remove) -> None:
    """Take the member off the roster for good."""
    changes.set_status(ctx, action.member, "removed")


def check_replace_keys(ctx: Context, action: ReplaceKeys) -> None:
    """Refuses: MemberUnknown, StatusWrong, KeysInvalid, then of issuers."""
    if _member(ctx, action.member).status == "removed":
        raise refusals.StatusWrong(member=action.member)
    _check_keys(ctx, action.keys)
    for use in sorted({new.use for new in action.keys}):
        ring = queries.ring(ctx, action.member, use)
        if ring.count + len(action.keys) > rules.GENERATIONS_MAX:
            raise refusals.KeysInvalid(use=use)
    _check_issuers(ctx, action.issuers)


def replace_keys(ctx: Context, action: ReplaceKeys) -> None:
    """Retire the live keys of each use named, put the new ones and the issuers."""
    for use in sorted({new.use for new in action.keys}):
        for generation in queries.generations(ctx, action.member, use):
            changes.retire_key(ctx, action.member, use, generation)
    _add(ctx, action.member, action.keys, action.issuers)


def check_set_power(ctx: Context, action: SetPower) -> None:
    """Refuses: MemberUnknown, StatusWrong, NoNodeKey, NoValidatorLeft."""
    if _member(ctx, action.member).status == "removed":
        raise refusals.StatusWrong(member=action.member)
    if action.power and queries.key(ctx, action.member, NODE) is None:
        raise refusals.NoNodeKey(member=action.member)
    if not action.power:
        _check_weight(ctx, action.member)


def set_power(ctx: Context, action: SetPower) -> None:
    """Give the member's node its weight."""
    changes.set_power(ctx, action.member, action.power)


def first_key(keys: list[NewKey]) -> bytes | None:
    """The first transaction key, which names a member; None if there is none."""
    return next((new.key for new in keys if new.use == TRANSACTION), None)


def _member(ctx: Context, member: bytes) -> Member:
    row = queries.member(ctx, member)
    if row is None:
        raise refusals.MemberUnknown(member=member)
    return row


def _check_others(ctx: Context, member: bytes) -> None:
    if queries.roster(ctx) == [member]:
        raise refusals.LastMember
    _check_weight(ctx, member)


def _check_weight(ctx: Context, member: bytes) -> None:
    meta = ctx.read(META)
    moved = meta is not None and meta.mode == "network"
    if moved and all(one.member == member for one in queries.validators(ctx)):
        raise refusals.NoValidatorLeft


def _check_keys(ctx: Context, keys: list[NewKey]) -> None:
    seen: set[bytes] = set()
    for new in keys:
        used = new.key in seen or queries.key_owner(ctx, key_id(new.key)) is not None
        many = sum(other.use == new.use for other in keys) > rules.keys_max(new.use)
        if not rules.is_key(new.use, new.key) or used or many:
            raise refusals.KeysInvalid(use=new.use)
        seen.add(new.key)


def _check_issuers(ctx: Context, issuers: list[NewIssuer]) -> None:
    ids = {issuer.id for issuer in issuers}
    sound = all(rules.is_signature_key(issuer.key) for issuer in issuers)
    if len(ids) != len(issuers) or len(issuers) == 1 or not sound:
        raise refusals.IssuersInvalid
    for issuer in issuers:
        if queries.practitioner(ctx, issuer.id) is not None:
            raise refusals.PractitionerExists(practitioner=issuer.id)


def _add(ctx: Context, member: bytes, keys: list[NewKey], issuers: list[NewIssuer]) -> None:
    for new in keys:
        changes.add_key(ctx, member, new.use, new.key)
    for issuer in issuers:
        person = Practitioner(
            member=member,
            role=ISSUER,
            key=issuer.key,
            credential=issuer.credential,
            issuers=[],
            from_ms=ctx.time_ms,
            until_ms=ctx.time_ms + rules.PERIOD_MS_MAX,
        )
        changes.add_practitioner(ctx, issuer.id, person)


ACTIONS: dict[type[Action], ActionRule] = {
    Admit: ActionRule(check_admit, admit, lambda _action: None),
    Suspend: ActionRule(check_suspend, suspend, lambda action: action.member),
    Resume: ActionRule(check_resume, resume, lambda action: action.member),
    Remove: ActionRule(check_remove, remove, lambda action: action.member),
    ReplaceKeys: ActionRule(check_replace_keys, replace_keys, lambda action: action.member),
    SetPower: ActionRule(check_set_power, set_power, lambda _action: None),
}
