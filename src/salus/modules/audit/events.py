"""What audit tells."""

from salus.base.types import U8, U16, Count
from salus.machine.module import Event


class TermDefined(Event, frozen=True, tag="audit.term_defined"):
    """A number of the vocabulary has its text."""

    kind: U8
    number: U16


class LineRecorded(Event, frozen=True, tag="audit.line_recorded"):
    """A line stands in the log."""

    line: Count
    """The author key's running number: 1, 2, 3 …; state proves how many, the log each one."""
