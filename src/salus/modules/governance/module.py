"""Contents of governance."""

from salus.base.limits import LIFETIME_MS_MAX
from salus.machine.module import Module, Parameter
from salus.modules.governance import handlers, invariants, queries
from salus.modules.governance.actions import ACTIONS
from salus.modules.governance.agenda import WHAT_FALLS_DUE
from salus.modules.governance.events import EVENTS
from salus.modules.governance.genesis import first_parameters
from salus.modules.governance.messages import Propose, Vote, Withdraw
from salus.modules.governance.refusals import REFUSALS
from salus.modules.governance.state import TABLES

MODULE = Module(
    number=2,
    name="governance",
    messages=(Propose, Vote, Withdraw),
    handlers=handlers,
    refusals=REFUSALS,
    events=EVENTS,
    tables=TABLES,
    queries=(queries.parameter, queries.proposal, queries.open_proposals, queries.agenda),
    actions=ACTIONS,
    parameters=(
        Parameter(
            name="machine.lifetime_ms",
            default=LIFETIME_MS_MAX,
            least=60_000,
            most=LIFETIME_MS_MAX,
            words="how far ahead of a block a transaction's until_ms may lie, ms",
        ),
        Parameter(
            name="vault.copies",
            default=3,
            least=3,
            most=7,
            words="members that must store a batch before it counts (3 members: 2 do)",
        ),
    ),
    genesis=first_parameters,
    agenda=WHAT_FALLS_DUE,
    lifetime_ms=queries.lifetime_ms,
    invariants=(
        invariants.agenda_holds_the_accepted,
        invariants.votes_are_lawful,
        invariants.open_ones_are_known,
        invariants.parameters_are_in_range,
    ),
)
