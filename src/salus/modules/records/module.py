"""Contents of records."""

from salus.machine.module import Module
from salus.modules.records import handlers
from salus.modules.records.events import EVENTS
from salus.modules.records.invariants import INVARIANTS
from salus.modules.records.messages import CommitBatch
from salus.modules.records.queries import QUERIES
from salus.modules.records.refusals import REFUSALS
from salus.modules.records.state import TABLES

MODULE = Module(
    number=3,
    name="records",
    messages=(CommitBatch,),
    handlers=handlers,
    refusals=REFUSALS,
    events=EVENTS,
    tables=TABLES,
    queries=QUERIES,
    invariants=INVARIANTS,
)
