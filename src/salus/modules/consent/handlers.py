"""What happens: one function a message."""

from itertools import pairwise

from salus.base import merkle
from salus.base.types import HOUR_MS
from salus.machine.context import Context
from salus.modules.consent import checks, refusals, rules
from salus.modules.consent.events import (
    GrantPut,
    GrantRevoked,
    IntentsPosted,
    LogAnchored,
    TagsRegistered,
    TagStopped,
    TagUpdated,
)
from salus.modules.consent.messages import (
    AnchorLog,
    PostIntents,
    PutGrant,
    RegisterTags,
    RevokeGrant,
    StopTag,
    UpdateTag,
)
from salus.modules.consent.queries import anchor, grant, intent_count
from salus.modules.consent.state import (
    ANCHOR,
    GRANT,
    INTENT_COUNT,
    INTENTS,
    TAG,
    Anchor,
    Grant,
    IntentCount,
    Intents,
)
from salus.sealed.acts import StopTagAct, UpdateTagAct
from salus.sealed.grants import PutGrantAct, RevokeGrantAct


def register_tags(ctx: Context, msg: RegisterTags) -> None:
    """
    Make new tags known, each with its control key.

    Writes `consent.tag`; emits `TagsRegistered`. Refuses TagsUnsorted, then for each tag in turn:
    TagExists, KeyInvalid, ActBadSignature.
    """
    # Check.
    for position, (earlier, later) in enumerate(pairwise(msg.tags), start=1):
        if earlier.tag >= later.tag:
            raise refusals.TagsUnsorted(position=position)
    for new in msg.tags:
        checks.check_new_tag(ctx, new)

    # Change.
    for new in msg.tags:
        ctx.write(TAG, rules.first_record(new.control_key), new.tag)

    # Tell.
    root = merkle.root([new.tag for new in msg.tags])
    ctx.emit(TagsRegistered(count=len(msg.tags), root=root))


def update_tag(ctx: Context, msg: UpdateTag) -> None:
    """
    Replace a tag's record by the one its control key signed.

    Writes `consent.tag`; emits `TagUpdated`. Refuses, in this order: ActMalformed, TagUnknown,
    TagClosed, SequenceNotNext, ActBadSignature, KeyInvalid, NewKeyNotProven, GenerationNotNext,
    EraNotNext, SheetInvalid.
    """
    # Check.
    act = checks.read_act(UpdateTagAct, msg.act)
    record = checks.record_before(ctx, act.tag, act.sequence)
    checks.check_signature(ctx, UpdateTagAct, record.control_key, msg.act, msg.signature)
    checks.check_control_key(ctx, record, act, msg)
    if not rules.stays_or_next(record.generation, act.generation):
        raise refusals.GenerationNotNext(current=record.generation, found=act.generation)
    if not rules.stays_or_next(record.era, act.era):
        raise refusals.EraNotNext(current=record.era, found=act.era)
    if not rules.is_sheet(record, act):
        raise refusals.SheetInvalid

    # Change.
    ctx.write(TAG, rules.record_of(act), act.tag)

    # Tell.
    ctx.emit(
        TagUpdated(
            era=act.era,
            generation=act.generation,
            open=act.open,
            sequence=act.sequence,
            tag=act.tag,
        )
    )


def stop_tag(ctx: Context, msg: StopTag) -> None:
    """
    End every grant and link on a tag.

    Writes `consent.tag`; emits `TagStopped`. Refuses, in this order: ActMalformed, TagUnknown,
    TagClosed, SequenceNotNext, ActBadSignature, EraNotNext.
    """
    # Check.
    act = checks.read_act(StopTagAct, msg.act)
    record = checks.record_before(ctx, act.tag, act.sequence)
    checks.check_signature(ctx, StopTagAct, record.control_key, msg.act, msg.signature)
    if act.era != record.era + 1:
        raise refusals.EraNotNext(current=record.era, found=act.era)

    # Change.
    ctx.write(TAG, rules.stopped(record), act.tag)

    # Tell.
    ctx.emit(TagStopped(era=act.era, tag=act.tag))


def put_grant(ctx: Context, msg: PutGrant) -> None:
    """
    Put a grant in force.

    Writes `consent.grant`; emits `GrantPut`. Refuses, in this order: ActMalformed, GrantExists,
    KeyInvalid, UntilNotInFuture, UntilTooFar, UntilNotOnTheHour, ActBadSignature.
    """
    # Check.
    act = checks.read_act(PutGrantAct, msg.act)
    if grant(ctx, act.grant) is not None:
        raise refusals.GrantExists(grant=act.grant)
    if not rules.is_key(act.grant_key):
        raise refusals.KeyInvalid
    if act.until_ms <= ctx.time_ms:
        raise refusals.UntilNotInFuture(until_ms=act.until_ms, block_ms=ctx.time_ms)
    latest_ms = ctx.time_ms + rules.GRANT_MS_MAX
    if act.until_ms > latest_ms:
        raise refusals.UntilTooFar(until_ms=act.until_ms, latest_ms=latest_ms)
    if act.until_ms % HOUR_MS:
        raise refusals.UntilNotOnTheHour(until_ms=act.until_ms)
    checks.check_signature(ctx, PutGrantAct, act.grant_key, msg.act, msg.signature)

    # Change.
    row = Grant(commitment=act.commitment, grant_key=act.grant_key, until_ms=act.until_ms)
    ctx.write(GRANT, row, act.grant)

    # Tell.
    ctx.emit(GrantPut(grant=act.grant, until_ms=act.until_ms))


def revoke_grant(ctx: Context, msg: RevokeGrant) -> None:
    """
    End a grant now; an intent in a later block opens nothing under it.

    Writes `consent.grant`; emits `GrantRevoked`. Refuses, in this order: ActMalformed,
    GrantUnknown, AlreadyRevoked, ActBadSignature.
    """
    # Check.
    act = checks.read_act(RevokeGrantAct, msg.act)
    row = grant(ctx, act.grant)
    if row is None:
        raise refusals.GrantUnknown(grant=act.grant)
    if row.revoked_ms is not None:
        raise refusals.AlreadyRevoked(revoked_ms=row.revoked_ms)
    checks.check_signature(ctx, RevokeGrantAct, row.grant_key, msg.act, msg.signature)

    # Change.
    ctx.write(GRANT, rules.revoked(row, ctx.time_ms), act.grant)

    # Tell.
    ctx.emit(GrantRevoked(grant=act.grant))


def post_intents(ctx: Context, msg: PostIntents) -> None:
    """
    Announce accesses; the 16,384 newest of each member stay in the state.

    Writes `consent.intents`, `consent.intent_count`; emits `IntentsPosted`. Refuses, in this
    order: IntentSequenceNotNext, LeavesNotABucket.
    """
    # Check.
    expected = intent_count(ctx, ctx.member) + 1
    if msg.sequence != expected:
        raise refusals.IntentSequenceNotNext(expected=expected, found=msg.sequence)
    if not rules.is_bucket(msg.leaves):
        raise refusals.LeavesNotABucket(found=msg.leaves)

    # Change.
    row = Intents(closings=msg.closings, leaves=msg.leaves, root=msg.root, time_ms=ctx.time_ms)
    ctx.write(INTENTS, row, ctx.member, msg.sequence)
    ctx.write(INTENT_COUNT, IntentCount(last=msg.sequence), ctx.member)
    if msg.sequence > rules.INTENTS_KEPT:
        ctx.delete(INTENTS, ctx.member, msg.sequence - rules.INTENTS_KEPT)

    # Tell.
    ctx.emit(IntentsPosted(member=ctx.member, root=msg.root, sequence=msg.sequence))


def anchor_log(ctx: Context, msg: AnchorLog) -> None:
    """
    Fix the size and root of the member's own log.

    Writes `consent.anchor`; emits `LogAnchored`. Refuses, in this order: SizeNotGrowing,
    Inconsistent.
    """
    # Check.
    old = anchor(ctx, ctx.member, msg.log)
    old_size, old_root = (0, merkle.EMPTY_ROOT) if old is None else (old.size, old.root)
    if msg.size <= old_size:
        raise refusals.SizeNotGrowing(anchored=old_size, found=msg.size)
    try:
        merkle.check_consistency(old_size, msg.size, old_root, msg.root, msg.proof)
    except merkle.PathRefused:
        raise refusals.Inconsistent from None

    # Change.
    row = Anchor(root=msg.root, size=msg.size, time_ms=ctx.time_ms)
    ctx.write(ANCHOR, row, ctx.member, msg.log)

    # Tell.
    ctx.emit(LogAnchored(log=msg.log, member=ctx.member, root=msg.root, size=msg.size))
