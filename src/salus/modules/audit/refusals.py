"""Why audit refuses; 1 is the machine's NotAMember, which surfaces as its codes 9 and 10."""

from salus.base.errors import Category, Refusal


class TermExists(Refusal, number=2, category=Category.CONFLICT):
    """The number has a text already, and a text is never changed."""

    kind: int
    term: int


class TermMalformed(Refusal, number=3, category=Category.INVALID):
    """A term is of kind 1 or 2, its text 1-64 printable ASCII characters."""


class TermUnknown(Refusal, number=4, category=Category.NOT_FOUND):
    """No such term; define it with audit.define_term first."""

    kind: int
    term: int


class TimeAhead(Refusal, number=5, category=Category.INVALID):
    """The line's time lies more than 5 minutes ahead of the block's; check the site's clock."""

    time_ms: int
    block_ms: int


REFUSALS = (TermExists, TermMalformed, TermUnknown, TimeAhead)
