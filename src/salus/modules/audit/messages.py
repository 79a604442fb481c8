"""What may be asked of audit."""

from salus.base.types import U8, U16, Count, TimeMs
from salus.machine.module import Message


class DefineTerm(Message, frozen=True, tag="audit.define_term"):
    """Give a number of the consortium's vocabulary its text, once and for all."""

    kind: U8
    """1 an activity, 2 a resource."""

    number: U16
    """The number lines will use."""

    text: str
    """Printable ASCII, 1-64 characters."""


class RecordLine(Message, frozen=True, tag="audit.record_line"):
    """Record that a user did something to a resource."""

    activity: U16
    """A defined activity."""

    node: U8
    """The consortium's number of the site where it happened."""

    ref: Count
    """The consortium's own running number of the act at that site."""

    resource: U16
    """A defined resource."""

    time_ms: TimeMs
    """When it happened by the site's clock; at most 5 minutes ahead of the block."""

    user: Count
    """The consortium's number of the user."""
