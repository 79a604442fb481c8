"""Audit: each refusal in order, then what passes; and a random workload."""

import pytest

from salus.base.errors import Fault, Refusal
from salus.modules.audit import queries, refusals
from salus.modules.audit.events import LineRecorded, TermDefined
from salus.modules.audit.handlers import define_term, record_line
from salus.modules.audit.invariants import lines_are_counted
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.state import Author
from tests.support.machine import BLOCK_MS, GENESIS_MS, Ledger, told
from tests.support.workload import run
from tests.workloads.audit import AuditWorkload

BLOCK = GENESIS_MS + 2 * BLOCK_MS
VIEW = DefineTerm(kind=1, number=2, text="VIEW")
FILE = DefineTerm(kind=2, number=3, text="FILE")

TERMS = {
    "a number that has a text, though the new one is malformed": (
        DefineTerm(kind=1, number=2, text=""),
        refusals.TermExists,
    ),
    "an unknown kind": (DefineTerm(kind=3, number=1, text="X"), refusals.TermMalformed),
    "no text": (DefineTerm(kind=1, number=1, text=""), refusals.TermMalformed),
    "65 characters": (DefineTerm(kind=1, number=1, text="x" * 65), refusals.TermMalformed),
    "beyond ASCII": (DefineTerm(kind=1, number=1, text="é"), refusals.TermMalformed),
    "a control character": (DefineTerm(kind=1, number=1, text="a\x1b"), refusals.TermMalformed),
}


def line(activity: int = 2, resource: int = 3, time_ms: int = BLOCK) -> RecordLine:
    """A line that passes but for what is given."""
    return RecordLine(activity=activity, node=1, ref=7, resource=resource, time_ms=time_ms, user=5)


LINES: dict[str, tuple[RecordLine, type[Refusal]]] = {
    "an unknown activity, ahead": (line(9, 3, BLOCK + 300_001), refusals.TermUnknown),
    "an unknown resource, ahead": (line(2, 9, BLOCK + 300_001), refusals.TermUnknown),
    "over five minutes ahead": (line(2, 3, BLOCK + 300_001), refusals.TimeAhead),
}


@pytest.fixture
def defined(ledger: Ledger) -> Ledger:
    """A ledger with one activity and one resource."""
    assert 0 == ledger.send(ledger.members[0], VIEW, FILE).code
    return ledger


@pytest.mark.parametrize(("message", "refusal"), TERMS.values(), ids=TERMS.keys())
def test_define_term_refuses_in_order(
    defined: Ledger, message: DefineTerm, refusal: type[Refusal]
) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    with pytest.raises(refusal):
        define_term(defined.context(defined.members[0]), message)


@pytest.mark.parametrize(("message", "refusal"), LINES.values(), ids=LINES.keys())
def test_record_line_refuses_in_order(
    defined: Ledger, message: RecordLine, refusal: type[Refusal]
) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    with pytest.raises(refusal):
        record_line(defined.context(defined.members[0]), message)


def test_a_term_is_defined_once(ledger: Ledger) -> None:
    """The text stands, and is told."""
    receipt = ledger.send(ledger.members[0], VIEW)

    assert [TermDefined(kind=1, number=2)] == told(receipt.events, TermDefined)
    term = queries.term(ledger.context(), 1, 2)
    assert term is not None
    assert "VIEW" == term.text


def test_lines_are_numbered_by_key(defined: Ledger) -> None:
    """Each author's lines run 1, 2, 3, also within one transaction; five minutes ahead is fine."""
    first, second = defined.members[:2]

    three = defined.send(first, line(), line(), line(time_ms=BLOCK + 300_000))
    one = defined.send(second, line())

    assert [1, 2, 3] == [event.line for event in told(three.events, LineRecorded)]
    assert [1] == [event.line for event in told(one.events, LineRecorded)]
    author = queries.author(defined.context(), first.transaction.key_id)
    assert author is not None
    assert 3 == author.lines
    assert queries.author(defined.context(), bytes(16)) is None


def test_a_gap_in_an_authors_lines_is_found() -> None:
    """The invariant sees a missing line, and a count without lines."""
    key = bytes(16)
    events = [LineRecorded(line=1), LineRecorded(line=3)]

    with pytest.raises(Fault):
        lines_are_counted({key: Author(lines=2)}, {key: events})
    with pytest.raises(Fault):
        lines_are_counted({key: Author(lines=1)}, {})


@pytest.mark.parametrize("seed", [1, 2])
def test_random_acts_end_as_predicted(ledger: Ledger, seed: int) -> None:
    """300 acts: outcome, state and invariants as a dictionary says; every refusal comes up."""
    seen = run(AuditWorkload(ledger), seed=seed, steps=300)

    assert {0, 9002, 9003, 9004, 9005} == set(seen)
