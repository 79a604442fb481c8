"""Contents of consent."""

from salus.machine.module import Module
from salus.modules.consent import handlers
from salus.modules.consent.actions import ACTIONS
from salus.modules.consent.events import EVENTS
from salus.modules.consent.genesis import first_seats
from salus.modules.consent.invariants import INVARIANTS
from salus.modules.consent.messages import (
    AnchorLog,
    PostIntents,
    PutGrant,
    RegisterTags,
    RevokeGrant,
    StopTag,
    UpdateTag,
)
from salus.modules.consent.queries import QUERIES
from salus.modules.consent.refusals import REFUSALS
from salus.modules.consent.state import TABLES

MODULE = Module(
    number=4,
    name="consent",
    messages=(RegisterTags, UpdateTag, StopTag, PutGrant, RevokeGrant, PostIntents, AnchorLog),
    handlers=handlers,
    refusals=REFUSALS,
    events=EVENTS,
    tables=TABLES,
    queries=QUERIES,
    actions=ACTIONS,
    genesis=first_seats,
    invariants=INVARIANTS,
)
