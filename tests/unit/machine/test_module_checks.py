"""Contradictions between modules stop the machine before its first block."""

from dataclasses import replace

import pytest

from salus.base import codec
from salus.base.errors import Category, Fault, Refusal
from salus.chain import MODULES
from salus.machine.declarations import Declarations
from salus.machine.execute import Machine
from salus.machine.module import Message, Module, Parameter, snake_case
from salus.machine.refusals import KeyUnknown
from salus.modules.audit.module import MODULE as AUDIT
from salus.modules.members.module import MODULE as MEMBERS
from salus.state.tables import Table, raw
from tests.support.machine import Ledger


class Strange(Message, frozen=True, tag="other.strange"):
    """A message of another module's name."""


class Handlerless(Message, frozen=True, tag="audit.handlerless"):
    """A message nobody handles."""


class Again(Refusal, number=2, category=Category.INVALID):
    """Audit has a refusal 2 already."""


TERM = AUDIT.tables[0]
BROKEN: dict[str, tuple[list[Module], str]] = {
    "numbers used twice": ([AUDIT, replace(MEMBERS, number=9)], "numbers used twice"),
    "its tag is not": ([replace(AUDIT, messages=(Strange,))], "its tag is not"),
    "no handler": ([replace(AUDIT, messages=(Handlerless,))], "no handler handlerless"),
    "a refusal's number twice": (
        [replace(AUDIT, refusals=(*AUDIT.refusals, Again))],
        "number 2 is TermExists's and Again's",
    ),
    "a table number twice": (
        [replace(AUDIT, tables=(TERM, TERM))],
        "table number used twice",
    ),
    "another's table number": (
        [replace(AUDIT, tables=(Table(8, 1, "audit.term", TERM.row, (raw("x", 16),)),))],
        "not this module's number",
    ),
    "another's table name": (
        [replace(AUDIT, tables=(Table(9, 1, "term", TERM.row, (raw("x", 16),)),))],
        "not this module's name",
    ),
    "two say who is active": (
        [MEMBERS, replace(AUDIT, active=MEMBERS.active)],
        "two modules say `active`",
    ),
    "a parameter twice": (
        [replace(AUDIT, parameters=(Parameter("a", 1, 1, 1, ""),) * 2)],
        "declared twice",
    ),
}


@pytest.mark.parametrize(("modules", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_contradiction_is_named(modules: list[Module], words: str) -> None:
    """In words, with the place."""
    with pytest.raises(Fault, match=words):
        Machine(modules)


def test_refusals_and_names_are_found() -> None:
    """A receipt's code leads to its refusal; names follow one rule."""
    machine = Machine(MODULES)

    assert AUDIT.refusals[0] is machine.refusal(9002)
    assert machine.refusal(31_999) is None
    assert "record_line" == snake_case("RecordLine")


def test_without_actions_none_can_be_read() -> None:
    """Modules that declare none leave nothing to vote on."""
    with pytest.raises(codec.Malformed):
        Declarations([AUDIT]).action(b"\x80")


def test_the_machine_without_members_asks_no_one() -> None:
    """Audit alone runs: keys then count by their rows, and nothing falls due."""
    machine = Machine([AUDIT])

    assert machine.next_due(Ledger(members=1).context()) is None
    assert 86_400_000 == machine.lifetime_ms(Ledger(members=1).context())
    with pytest.raises(KeyUnknown):
        machine.signer(Ledger(members=1).context(), bytes(16))
