"""Contents of members."""

from salus.machine.module import Module
from salus.modules.members import handlers, invariants, queries
from salus.modules.members.actions import ACTIONS
from salus.modules.members.events import EVENTS
from salus.modules.members.genesis import first_members
from salus.modules.members.messages import (
    AddKey,
    EndPractitioner,
    RegisterPractitioner,
    RetireKey,
    SetAddress,
)
from salus.modules.members.refusals import REFUSALS
from salus.modules.members.state import TABLES

MODULE = Module(
    number=1,
    name="members",
    messages=(AddKey, RetireKey, SetAddress, RegisterPractitioner, EndPractitioner),
    handlers=handlers,
    refusals=REFUSALS,
    events=EVENTS,
    tables=TABLES,
    queries=(
        queries.active,
        queries.member,
        queries.roster,
        queries.admitted,
        queries.key,
        queries.keys,
        queries.key_owner,
        queries.practitioner,
        queries.practising,
        queries.validators,
    ),
    actions=ACTIONS,
    genesis=first_members,
    active=queries.active,
    evidence=handlers.tell_misbehaviour,
    invariants=(
        invariants.roster_is_the_active,
        invariants.rings_are_the_live,
        invariants.keys_are_owned,
        invariants.weight_is_left,
    ),
)
