"""What was accepted happens at its height: all actions of a proposal, or none."""

import pytest

from salus.base import codec
from salus.base.errors import Fault, Problem
from salus.machine.module import Action
from salus.machine.tables import META
from salus.modules.governance import queries, refusals
from salus.modules.governance.actions import ACTIONS, SetParameter, StartNetwork, Upgrade
from salus.modules.governance.agenda import apply_due, next_due
from salus.modules.governance.events import ActionsFailed, Applied
from salus.modules.governance.messages import Propose, Vote
from salus.modules.governance.state import AGENDA, AgendaRow, Due
from salus.modules.members import queries as members
from salus.modules.members.actions import SetPower
from tests.support.machine import Ledger, told

ONE, TWO = b"\x01" * 16, b"\x02" * 16
COPIES = SetParameter(name="vault.copies", value=4)


def accept(ledger: Ledger, name: bytes, *actions: Action, height: int | None = None) -> None:
    """Let the only member propose, which accepts."""
    receipt = ledger.send(
        ledger.members[0],
        Propose(
            proposal=name,
            actions=[codec.encode(action) for action in actions],
            closes_ms=ledger.time_ms + 4_000_000,
            activation_height=height,
        ),
    )
    assert 0 == receipt.code


def test_an_accepted_proposal_is_carried_out_two_blocks_later() -> None:
    """Not in the next block; at the start of the one after."""
    ledger = Ledger(members=1)
    accept(ledger, ONE, COPIES)
    assert 3 == ledger.machine.next_due(ledger.context())

    early = ledger.block()
    assert [] == early.events
    assert 3 == queries.parameter(ledger.context(), "vault.copies")
    due = ledger.block()

    assert [Applied(proposal=ONE)] == told(due.events, Applied)
    assert 4 == queries.parameter(ledger.context(), "vault.copies")
    assert next_due(ledger.context()) is None
    row = queries.proposal(ledger.context(), ONE)
    assert row is not None
    assert "applied" == row.status


def test_a_height_that_was_passed_over_falls_due() -> None:
    """An engine may skip heights; what is due at or below is done, in order."""
    ledger = Ledger(members=1)
    accept(ledger, ONE, SetParameter(name="vault.copies", value=5), height=20)
    accept(ledger, TWO, SetParameter(name="vault.copies", value=6), height=10)

    outcome = ledger.block(height=30)

    assert [TWO, ONE] == [one.proposal for one in told(outcome.events, Applied)]
    assert 5 == queries.parameter(ledger.context(), "vault.copies")


def test_one_refused_action_undoes_all() -> None:
    """A third action that no longer fits takes the first two back; what they told is not told."""
    ledger = Ledger(members=1, mode="network", power=2)
    actor = ledger.members[0]
    accept(ledger, ONE, COPIES, SetPower(member=actor.id, power=3), Upgrade(version=2))
    with ledger.trying() as ctx:
        meta = ctx.read(META)
        assert meta is not None
        ctx.write(META, type(meta)(initial_height=1, mode="network", version=0))

    ledger.block()
    due = ledger.block()

    failed = ActionsFailed(proposal=ONE, position=2, code=2032)
    assert [failed] == told(due.events, ActionsFailed)
    assert 3 == queries.parameter(ledger.context(), "vault.copies")
    assert [2] == [one.power for one in members.validators(ledger.context())]
    row = queries.proposal(ledger.context(), ONE)
    assert row is not None
    assert "failed" == row.status


def test_actions_are_checked_on_what_those_before_left() -> None:
    """Taking the weight of the only two validators is fine for each, but not for both."""
    ledger = Ledger(members=2, mode="network", power=1)
    first, second = ledger.members
    data = [codec.encode(SetPower(member=one.id, power=0)) for one in (first, second)]
    closes_ms = ledger.time_ms + 4_000_000
    ledger.send(first, Propose(proposal=ONE, actions=data, closes_ms=closes_ms))
    ledger.send(second, Vote(proposal=ONE, yes=True))
    ledger.block()
    due = ledger.block()

    failed = ActionsFailed(proposal=ONE, position=1, code=1027)
    assert [failed] == told(due.events, ActionsFailed)
    assert 2 == len(members.validators(ledger.context()))


def test_a_voted_version_stops_a_program_that_lacks_it() -> None:
    """At the very height it holds from: no block is made under rules the program does not know."""
    ledger = Ledger(members=1)
    accept(ledger, ONE, Upgrade(version=2))
    ledger.block()

    with pytest.raises(Fault, match="version 2; this program knows 1"):
        ledger.block()


def test_start_network_ends_the_time_of_one_process() -> None:
    """Mode and initial height are noted; then it has moved for good."""
    ledger = Ledger(members=4, power=1)
    with ledger.trying() as ctx:
        rule = ctx.declared.rule(StartNetwork())
        rule.validate(ctx, StartNetwork())
        rule.apply(ctx, StartNetwork())

    meta = ledger.row(META)
    assert meta is not None
    assert ("network", 2) == (meta.mode, meta.initial_height)
    with pytest.raises(refusals.AlreadyMoved):
        ACTIONS[StartNetwork].validate(ledger.context(), StartNetwork())


ROWS = {
    "an unknown parameter": (SetParameter(name="x", value=99), refusals.ParameterUnknown),
    "below its range": (SetParameter(name="vault.copies", value=2), refusals.ValueOutOfRange),
    "above its range": (SetParameter(name="vault.copies", value=8), refusals.ValueOutOfRange),
    "the version in force": (Upgrade(version=1), refusals.VersionNotNext),
    "a version skipped": (Upgrade(version=3), refusals.VersionNotNext),
    "three validators": (StartNetwork(), refusals.TooFewValidators),
}


@pytest.mark.parametrize(("action", "refusal"), ROWS.values(), ids=ROWS.keys())
def test_actions_refuse_in_order(action: Action, refusal: type[Exception]) -> None:
    """Each action's own check, on a ledger of three validators."""
    ledger = Ledger(members=3, power=1)

    with pytest.raises(refusal):
        ACTIONS[type(action)].validate(ledger.context(), action)


def test_a_moved_ledger_does_not_move_again() -> None:
    """AlreadyMoved is told first, though there are too few validators as well."""
    ledger = Ledger(members=3, mode="network", power=1)

    with pytest.raises(refusals.AlreadyMoved):
        ACTIONS[StartNetwork].validate(ledger.context(), StartNetwork())


def test_parameters_come_from_genesis() -> None:
    """Every declared parameter has a row: the file's value or the default."""
    ledger = Ledger(members=1, parameters={"machine.lifetime_ms": 60_000})
    view = ledger.context()

    assert 60_000 == queries.lifetime_ms(view)
    assert 3 == queries.parameter(view, "vault.copies")
    with pytest.raises(refusals.ParameterUnknown):
        queries.parameter(view, "x")


@pytest.mark.parametrize("given", [{"x": 1}, {"vault.copies": 99}])
def test_genesis_takes_only_declared_parameters_in_range(given: dict[str, int]) -> None:
    """A slip in the file is told before the first block."""
    with pytest.raises(Problem, match="section of governance"):
        Ledger(members=1, parameters=given)


def test_what_cannot_be_is_a_fault() -> None:
    """A state without `machine.meta`, or an agenda without its proposal: stop, do not guess."""
    ledger = Ledger(members=1)
    ctx = ledger.context()
    ctx.delete(META)
    with pytest.raises(Fault, match="every genesis writes"):
        ACTIONS[Upgrade].validate(ctx, Upgrade(version=2))

    ctx = ledger.context()
    ctx.write(AGENDA, AgendaRow(entries=[Due(height=1, proposal=ONE)]))
    with pytest.raises(Fault, match="without a row"):
        apply_due(ctx)
