"""Why members refuses; 1 is the machine's NotAMember, which surfaces as its codes 9 and 10."""

from salus.base.errors import Category, Refusal


class KeyInvalid(Refusal, number=2, category=Category.INVALID):
    """The use is none of 1, 2, 4, 5, 6, or the key is no valid public key for it."""


class KeyExists(Refusal, number=3, category=Category.CONFLICT):
    """The key stands on the ledger already, and no key serves twice; make a new one."""


class KeyNotProven(Refusal, number=4, category=Category.UNAUTHENTICATED):
    """The new key itself must sign (a sealing key cannot: its message holds no proof)."""


class TooManyKeys(Refusal, number=5, category=Category.CONFLICT):
    """The member has as many live keys of this use as it may (32 or 2); retire one first."""

    use: int
    limit: int


class KeyNotYours(Refusal, number=6, category=Category.NOT_FOUND):
    """The signing member has no such live key."""

    use: int


class LastKey(Refusal, number=7, category=Category.CONFLICT):
    """It is the member's last live key of this use; add its successor first."""

    use: int


class AddressMalformed(Refusal, number=8, category=Category.INVALID):
    """An address is https://host[:port][/path], at most 128 lower-case characters."""


class CertificateMalformed(Refusal, number=9, category=Category.INVALID):
    """A certificate is one DER value that holds a live service key of the member; add it first."""

    position: int


class PractitionerExists(Refusal, number=10, category=Category.CONFLICT):
    """The id names a practitioner already; draw a new one."""

    practitioner: bytes


class RoleUnknown(Refusal, number=11, category=Category.INVALID):
    """Roles run from 1 (physician) to 9 (system)."""

    role: int


class PeriodInvalid(Refusal, number=12, category=Category.INVALID):
    """The period is empty, over already, or longer than 366 days."""

    from_ms: int
    until_ms: int


class IssuersInvalid(Refusal, number=13, category=Category.FORBIDDEN):
    """Two different active issuers of the member must sign (in a vote or genesis: two or none)."""


class PractitionerUnknown(Refusal, number=14, category=Category.NOT_FOUND):
    """No such practitioner."""

    practitioner: bytes


class PractitionerNotYours(Refusal, number=15, category=Category.FORBIDDEN):
    """The practitioner acts for another member, which alone can end that."""

    practitioner: bytes


class AlreadyEnded(Refusal, number=16, category=Category.CONFLICT):
    """The practitioner was ended before."""

    practitioner: bytes


class MemberExists(Refusal, number=20, category=Category.CONFLICT):
    """A member with this first transaction key was admitted before."""

    member: bytes


class KeysInvalid(Refusal, number=21, category=Category.INVALID):
    """A key is invalid, used or given twice, or there are too few or too many of its use."""

    use: int


class TooManyMembers(Refusal, number=22, category=Category.CONFLICT):
    """A network admits 64 members in its life."""


class MemberUnknown(Refusal, number=23, category=Category.NOT_FOUND):
    """No such member."""

    member: bytes


class StatusWrong(Refusal, number=24, category=Category.CONFLICT):
    """The member's status does not allow this: a removal is final, nothing happens twice."""

    member: bytes


class LastMember(Refusal, number=25, category=Category.CONFLICT):
    """No active member would be left."""


class NoNodeKey(Refusal, number=26, category=Category.CONFLICT):
    """Without a node key (use 6) a member has no weight in consensus; it adds one first."""

    member: bytes


class NoValidatorLeft(Refusal, number=27, category=Category.CONFLICT):
    """No node with weight would be left to order blocks."""


REFUSALS = (
    KeyInvalid,
    KeyExists,
    KeyNotProven,
    TooManyKeys,
    KeyNotYours,
    LastKey,
    AddressMalformed,
    CertificateMalformed,
    PractitionerExists,
    RoleUnknown,
    PeriodInvalid,
    IssuersInvalid,
    PractitionerUnknown,
    PractitionerNotYours,
    AlreadyEnded,
    MemberExists,
    KeysInvalid,
    TooManyMembers,
    MemberUnknown,
    StatusWrong,
    LastMember,
    NoNodeKey,
    NoValidatorLeft,
)
