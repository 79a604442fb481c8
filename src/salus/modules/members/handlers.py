"""What happens: one function a message."""

from msgspec.structs import replace

from salus.base.signing import key_id
from salus.machine.block import Evidence
from salus.machine.context import Context
from salus.modules.members import changes, queries, refusals, rules
from salus.modules.members.events import AddressSet, Misbehaved, PractitionerEnded
from salus.modules.members.messages import (
    AddKey,
    EndPractitioner,
    RegisterPractitioner,
    RetireKey,
    SetAddress,
    Voucher,
)
from salus.modules.members.state import (
    ISSUER,
    MEMBER,
    MEMBER_KEY,
    PRACTITIONER,
    SEALING,
    SERVICE,
    Practitioner,
)


def add_key(ctx: Context, msg: AddKey) -> None:
    """
    Give the signing member one more key.

    Writes `members.key`, `.ring`, `.owner` and, for use 1, `machine.key`; emits `KeyAdded` and, if
    consensus follows another node key now, `ValidatorChanged`.
    Refuses, in this order: KeyInvalid, KeyExists, KeyNotProven, TooManyKeys.
    """
    # Check.
    if not rules.is_key(msg.use, msg.key):
        raise refusals.KeyInvalid
    if key_exists(ctx, msg.use, msg.key):
        raise refusals.KeyExists
    signed = rules.add_key_bytes(ctx.network, ctx.member, msg.use, msg.key)
    if not rules.is_proven(msg.use, msg.key, msg.proof, signed):
        raise refusals.KeyNotProven
    ring = queries.ring(ctx, ctx.member, msg.use)
    limit = rules.keys_max(msg.use)
    if len(ring.live) >= limit or ring.count >= rules.GENERATIONS_MAX:
        raise refusals.TooManyKeys(use=msg.use, limit=limit)

    # Change and tell.
    changes.add_key(ctx, ctx.member, msg.use, msg.key)


def retire_key(ctx: Context, msg: RetireKey) -> None:
    """
    Stop a key of the signing member.

    Writes `members.key`, `.ring` and, for use 1, `machine.key`; emits `KeyRetired` and, if
    consensus follows another node key now, `ValidatorChanged`.
    Refuses, in this order: KeyNotYours, LastKey.
    """
    # Check.
    live = queries.generations(ctx, ctx.member, msg.use)
    generation = next((one for one in live if _is_at(ctx, msg, one)), None)
    if generation is None:
        raise refusals.KeyNotYours(use=msg.use)
    if len(live) == 1:
        raise refusals.LastKey(use=msg.use)

    # Change and tell.
    changes.retire_key(ctx, ctx.member, msg.use, generation)


def set_address(ctx: Context, msg: SetAddress) -> None:
    """
    Say where the signing member's node is reached.

    Writes `members.member`; emits `AddressSet`.
    Refuses, in this order: AddressMalformed, CertificateMalformed.
    """
    # Check.
    if not rules.is_address(msg.address):
        raise refusals.AddressMalformed
    service_keys = queries.keys(ctx, ctx.member, SERVICE, ctx.time_ms)
    for position, certificate in enumerate(msg.certificates):
        if not rules.is_certificate(certificate, service_keys):
            raise refusals.CertificateMalformed(position=position)

    # Change.
    row = changes.known(ctx, ctx.member)
    found = replace(row, address=msg.address, certificates=msg.certificates)
    ctx.write(MEMBER, found, ctx.member)

    # Tell.
    ctx.emit(AddressSet(member=ctx.member))


def register_practitioner(ctx: Context, msg: RegisterPractitioner) -> None:
    """
    Let a person act for the signing member.

    Writes `members.practitioner`; emits `PractitionerRegistered`. Refuses, in this order:
    PractitionerExists, RoleUnknown, PeriodInvalid, KeyInvalid, IssuersInvalid, KeyNotProven.
    """
    # Check.
    if queries.practitioner(ctx, msg.id) is not None:
        raise refusals.PractitionerExists(practitioner=msg.id)
    if not rules.is_role(msg.role):
        raise refusals.RoleUnknown(role=msg.role)
    if not rules.is_period(msg.from_ms, msg.until_ms, ctx.time_ms):
        raise refusals.PeriodInvalid(from_ms=msg.from_ms, until_ms=msg.until_ms)
    if not rules.is_signature_key(msg.key):
        raise refusals.KeyInvalid
    claim = rules.Claim(
        id=msg.id,
        role=msg.role,
        key=msg.key,
        credential=msg.credential,
        from_ms=msg.from_ms,
        until_ms=msg.until_ms,
    )
    signed = rules.claim_bytes(ctx.network, ctx.member, claim)
    first, second = msg.issuers
    if first.id == second.id or not all(_vouches(ctx, one, signed) for one in msg.issuers):
        raise refusals.IssuersInvalid
    if not rules.is_signed(msg.key, msg.proof, signed):
        raise refusals.KeyNotProven

    # Change and tell.
    person = Practitioner(
        member=ctx.member,
        role=msg.role,
        key=msg.key,
        credential=msg.credential,
        issuers=[first.id, second.id],
        from_ms=msg.from_ms,
        until_ms=msg.until_ms,
    )
    changes.add_practitioner(ctx, msg.id, person)


def end_practitioner(ctx: Context, msg: EndPractitioner) -> None:
    """
    End a practitioner of the signing member.

    Writes `members.practitioner`; emits `PractitionerEnded`.
    Refuses, in this order: PractitionerUnknown, PractitionerNotYours, AlreadyEnded.
    """
    # Check.
    person = queries.practitioner(ctx, msg.id)
    if person is None:
        raise refusals.PractitionerUnknown(practitioner=msg.id)
    if person.member != ctx.member:
        raise refusals.PractitionerNotYours(practitioner=msg.id)
    if person.ended_ms is not None:
        raise refusals.AlreadyEnded(practitioner=msg.id)

    # Change.
    ctx.write(PRACTITIONER, replace(person, ended_ms=ctx.time_ms), msg.id)

    # Tell.
    ctx.emit(PractitionerEnded(member=ctx.member, practitioner=msg.id))


def tell_misbehaviour(ctx: Context, evidence: Evidence) -> None:
    """Tell that the engine found a member's node lying; a stranger's is not ours to tell."""
    if queries.member(ctx, evidence.member) is not None:
        told = Misbehaved(member=evidence.member, height=evidence.height, kind=evidence.kind)
        ctx.emit(told)


def key_exists(ctx: Context, use: int, key: bytes) -> bool:
    """
    Whether the key may not be added again.

    A signature key serves one member and use, ever. A sealing key cannot prove itself, so another
    member's copy must not lock it: only the member's own live ones count.
    """
    if use == SEALING:
        return key in queries.keys(ctx, ctx.member, SEALING, ctx.time_ms)
    return queries.key_owner(ctx, key_id(key)) is not None


def _is_at(ctx: Context, msg: RetireKey, generation: int) -> bool:
    row = ctx.read(MEMBER_KEY, ctx.member, msg.use, generation)
    return row is not None and row.key == msg.key


def _vouches(ctx: Context, voucher: Voucher, signed: bytes) -> bool:
    issuer = queries.practitioner(ctx, voucher.id)
    if issuer is None or issuer.role != ISSUER:
        return False
    practising = queries.practising(ctx, voucher.id, ctx.member, ctx.time_ms)
    return practising and rules.is_signed(issuer.key, voucher.sig, signed)
