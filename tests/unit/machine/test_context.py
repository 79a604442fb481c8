"""What a handler sees, and the attempt of what falls due."""

import pytest

from salus.base.errors import Fault
from salus.machine.context import StateView
from salus.modules.audit.events import LineRecorded
from salus.modules.audit.refusals import TermMalformed
from salus.modules.audit.state import TERM, Term
from salus.modules.members.events import Misbehaved
from salus.modules.members.queries import roster
from salus.state.overlay import Overlay
from tests.support.machine import Ledger


@pytest.fixture
def ledger() -> Ledger:
    """One member."""
    return Ledger(members=1)


def test_a_row_is_read_as_it_was_left(ledger: Ledger) -> None:
    """Written, deleted, and unknown rows; a state view reads the committed ones."""
    ctx = ledger.context()
    ctx.write(TERM, Term(text="X"), 1, 1)
    assert Term(text="X") == ctx.read(TERM, 1, 1)

    ctx.delete(TERM, 1, 1)

    assert ctx.read(TERM, 1, 1) is None
    view = StateView(
        Overlay(ledger.rows.get), network=ledger.network, height=1, time_ms=ledger.time_ms
    )
    assert [ledger.members[0].id] == roster(view)


def test_an_event_over_4_kib_is_a_bug(ledger: Ledger) -> None:
    """A handler that tells too much is wrong, not the one who asked."""
    with pytest.raises(Fault, match="4096 B"):
        ledger.context().emit(Misbehaved(member=bytes(16), height=1, kind="x" * 4_096))


def test_seventeen_events_of_a_message_are_a_bug(ledger: Ledger) -> None:
    """At most 16 a message; a further message counts anew."""
    ctx = ledger.context()
    for _ in range(16):
        ctx.emit(LineRecorded(line=1))
    ctx.end_message(0)
    before = ctx.begin_message()
    ctx.emit(LineRecorded(line=1))
    ctx.end_message(before)

    with pytest.raises(Fault, match="17 events"):
        ctx.end_message(0)


def test_a_refused_attempt_leaves_nothing(ledger: Ledger) -> None:
    """Rows and events of a refused attempt are gone; those before and after stay."""
    ctx = ledger.context()
    ctx.emit(LineRecorded(line=1))

    def refused() -> None:
        with ctx.attempt():
            ctx.write(TERM, Term(text="X"), 1, 1)
            ctx.emit(LineRecorded(line=2))
            raise TermMalformed

    with pytest.raises(TermMalformed):
        refused()
    with ctx.attempt():
        ctx.write(TERM, Term(text="Y"), 1, 2)

    assert ctx.read(TERM, 1, 1) is None
    assert Term(text="Y") == ctx.read(TERM, 1, 2)
    assert 1 == len(ctx.events)
