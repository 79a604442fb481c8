"""What happens: one function a message."""

from salus.machine.context import Context
from salus.modules.audit import refusals, rules
from salus.modules.audit.events import LineRecorded, TermDefined
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.queries import term
from salus.modules.audit.state import ACTIVITY, AUTHOR, RESOURCE, TERM, Author, Term


def define_term(ctx: Context, msg: DefineTerm) -> None:
    """
    Give a number its text.

    Writes `audit.term`; emits `TermDefined`. Refuses, in this order: TermExists, TermMalformed.
    """
    # Check.
    if term(ctx, msg.kind, msg.number) is not None:
        raise refusals.TermExists(kind=msg.kind, term=msg.number)
    if not rules.is_term(msg.kind, msg.text):
        raise refusals.TermMalformed

    # Change.
    ctx.write(TERM, Term(text=msg.text), msg.kind, msg.number)

    # Tell.
    ctx.emit(TermDefined(kind=msg.kind, number=msg.number))


def record_line(ctx: Context, msg: RecordLine) -> None:
    """
    Count one more line of the signing key; the line itself stands in the log.

    Writes `audit.author`; emits `LineRecorded`. Refuses, in this order: TermUnknown, TimeAhead.
    """
    # Check.
    for kind, number in ((ACTIVITY, msg.activity), (RESOURCE, msg.resource)):
        if term(ctx, kind, number) is None:
            raise refusals.TermUnknown(kind=kind, term=number)
    if rules.is_ahead(msg.time_ms, ctx.time_ms):
        raise refusals.TimeAhead(time_ms=msg.time_ms, block_ms=ctx.time_ms)

    # Change.
    author = ctx.read(AUTHOR, ctx.signer)
    line = 1 if author is None else author.lines + 1
    ctx.write(AUTHOR, Author(lines=line), ctx.signer)

    # Tell.
    ctx.emit(LineRecorded(line=line))
