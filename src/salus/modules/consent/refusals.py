"""Why consent refuses; 1 is the machine's NotAMember. Numbers not here are reserved (README)."""

from salus.base.errors import Category, Refusal


class TagsUnsorted(Refusal, number=2, category=Category.INVALID):
    """Tags must stand in ascending order, each once, so that the order tells nothing."""

    position: int


class TagExists(Refusal, number=3, category=Category.CONFLICT):
    """The tag is registered already."""

    tag: bytes


class KeyInvalid(Refusal, number=4, category=Category.INVALID):
    """The key is no canonical Ed25519 point of the main subgroup; make a new one."""


class TagUnknown(Refusal, number=5, category=Category.NOT_FOUND):
    """No such tag; register it with consent.register_tags first."""

    tag: bytes


class TagClosed(Refusal, number=6, category=Category.GONE):
    """The tag was closed by its owner, for good."""

    tag: bytes


class SequenceNotNext(Refusal, number=7, category=Category.CONFLICT):
    """The act's sequence is not the tag's plus one: replayed, or made on an old record."""

    expected: int
    found: int


class ActBadSignature(Refusal, number=8, category=Category.UNAUTHENTICATED):
    """The signature does not hold for the key that must sign, these bytes and this network."""


class NewKeyNotProven(Refusal, number=9, category=Category.UNAUTHENTICATED):
    """A new control key must sign the act too; without a new key there is no proof."""


class GenerationNotNext(Refusal, number=10, category=Category.CONFLICT):
    """A generation stays or goes up by one."""

    current: int
    found: int


class EraNotNext(Refusal, number=11, category=Category.CONFLICT):
    """An update leaves the era or raises it by one; a stop raises it by one."""

    current: int
    found: int


class SheetInvalid(Refusal, number=12, category=Category.INVALID):
    """
    A sheet begins at a multiple of 64 days; no sheet is zeros and day 0.

    A new generation cannot keep the old sheet: its keys are of the old one.
    """


class GrantExists(Refusal, number=17, category=Category.CONFLICT):
    """The id names a grant already; draw a new one."""

    grant: bytes


class UntilNotInFuture(Refusal, number=18, category=Category.INVALID):
    """The grant ends at or before this block's time."""

    until_ms: int
    block_ms: int


class UntilTooFar(Refusal, number=19, category=Category.INVALID):
    """A grant lasts at most 3,652 days; renew it then."""

    until_ms: int
    latest_ms: int


class UntilNotOnTheHour(Refusal, number=20, category=Category.INVALID):
    """A grant ends on a full hour, so that its end tells little about when it was made."""

    until_ms: int


class GrantUnknown(Refusal, number=21, category=Category.NOT_FOUND):
    """No such grant."""

    grant: bytes


class AlreadyRevoked(Refusal, number=22, category=Category.CONFLICT):
    """The grant is revoked already; nothing more needs doing."""

    revoked_ms: int


class IntentSequenceNotNext(Refusal, number=23, category=Category.CONFLICT):
    """A member's intents run 1, 2, 3 … without a gap."""

    expected: int
    found: int


class LeavesNotABucket(Refusal, number=24, category=Category.INVALID):
    """An intent has 1, 8, 64 or 512 leaves; fill up with random hashes."""

    found: int


class SizeNotGrowing(Refusal, number=35, category=Category.CONFLICT):
    """An anchored log must have grown since its last anchor."""

    anchored: int
    found: int


class Inconsistent(Refusal, number=36, category=Category.UNVERIFIED):
    """The proof does not show that the log extends what was anchored."""


class ActMalformed(Refusal, number=38, category=Category.MALFORMED):
    """The act is not the canonical encoding of its struct (README, Signed structs)."""


class SeatsInvalid(Refusal, number=39, category=Category.INVALID):
    """1-16 seats, ascending by seat number, each member once."""


class SeatHolderInactive(Refusal, number=40, category=Category.CONFLICT):
    """A seat's holder must be an active member."""

    member: bytes


REFUSALS = (
    TagsUnsorted,
    TagExists,
    KeyInvalid,
    TagUnknown,
    TagClosed,
    SequenceNotNext,
    ActBadSignature,
    NewKeyNotProven,
    GenerationNotNext,
    EraNotNext,
    SheetInvalid,
    GrantExists,
    UntilNotInFuture,
    UntilTooFar,
    UntilNotOnTheHour,
    GrantUnknown,
    AlreadyRevoked,
    IntentSequenceNotNext,
    LeavesNotABucket,
    SizeNotGrowing,
    Inconsistent,
    ActMalformed,
    SeatsInvalid,
    SeatHolderInactive,
)
