"""Contents of audit."""

from salus.machine.module import Module
from salus.modules.audit import handlers, queries
from salus.modules.audit.events import LineRecorded, TermDefined
from salus.modules.audit.invariants import lines_are_counted
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.refusals import REFUSALS
from salus.modules.audit.state import AUTHOR, TERM

MODULE = Module(
    number=9,
    name="audit",
    messages=(DefineTerm, RecordLine),
    handlers=handlers,
    refusals=REFUSALS,
    events=(TermDefined, LineRecorded),
    tables=(TERM, AUTHOR),
    queries=(queries.term, queries.author),
    invariants=(lines_are_counted,),
)
