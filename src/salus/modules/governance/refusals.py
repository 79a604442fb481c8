"""Why governance refuses; 1 is the machine's NotAMember, which surfaces as its codes 9 and 10."""

from salus.base.errors import Category, Refusal


class ProposalExists(Refusal, number=2, category=Category.CONFLICT):
    """The id names a proposal already; draw a new one."""

    proposal: bytes


class TooManyOpen(Refusal, number=3, category=Category.CONFLICT):
    """The member has as many open proposals as it may; withdraw one or wait."""

    limit: int


class ClosesOutOfRange(Refusal, number=4, category=Category.INVALID):
    """Voting is open for 1 hour to 30 days after the block."""

    closes_ms: int
    block_ms: int


class ActivationOutOfRange(Refusal, number=5, category=Category.INVALID):
    """The activation height lies 2 to 1,000,000 above the block's."""

    activation_height: int
    height: int


class ActionInvalid(Refusal, number=6, category=Category.INVALID):
    """An action is unreadable (reason 0), or its module would refuse it now (its code)."""

    position: int
    reason: int


class ProposalUnknown(Refusal, number=7, category=Category.NOT_FOUND):
    """No such proposal."""

    proposal: bytes


class ProposalClosed(Refusal, number=8, category=Category.CONFLICT):
    """The proposal is decided, withdrawn, or its time is over."""

    proposal: bytes


class SubjectMayNotVote(Refusal, number=9, category=Category.FORBIDDEN):
    """The proposal is about the signing member."""

    proposal: bytes


class SameVote(Refusal, number=10, category=Category.CONFLICT):
    """The member has voted just so before."""

    proposal: bytes


class AgendaFull(Refusal, number=11, category=Category.BUSY):
    """This yes would accept the proposal, but the agenda is full; vote again when some is done."""

    limit: int


class NotProposer(Refusal, number=12, category=Category.FORBIDDEN):
    """Only its proposer takes a proposal back."""

    proposal: bytes


class SubjectNotAlone(Refusal, number=13, category=Category.INVALID):
    """An action about a member must be its proposal's only one."""

    position: int


class ParameterUnknown(Refusal, number=30, category=Category.NOT_FOUND):
    """No module declares such a parameter."""


class ValueOutOfRange(Refusal, number=31, category=Category.INVALID):
    """The value lies outside the parameter's range."""

    value: int
    least: int
    most: int


class VersionNotNext(Refusal, number=32, category=Category.INVALID):
    """Rules change one version at a time."""

    version: int
    expected: int


class AlreadyMoved(Refusal, number=33, category=Category.CONFLICT):
    """The ledger is a network already."""


class TooFewValidators(Refusal, number=34, category=Category.CONFLICT):
    """A network starts with at least 4 members that have a node key and power."""

    found: int


REFUSALS = (
    ProposalExists,
    TooManyOpen,
    ClosesOutOfRange,
    ActivationOutOfRange,
    ActionInvalid,
    ProposalUnknown,
    ProposalClosed,
    SubjectMayNotVote,
    SameVote,
    AgendaFull,
    NotProposer,
    SubjectNotAlone,
    ParameterUnknown,
    ValueOutOfRange,
    VersionNotNext,
    AlreadyMoved,
    TooFewValidators,
)
