"""Execution: all or nothing, events and entries, bugs, and what a block leaves when empty."""

import pytest

from salus.base import codec, merkle
from salus.base.entry import BlockEntry, TransactionEntry
from salus.base.errors import Fault
from salus.machine.block import Block, app_hash, seal, seal_genesis
from salus.machine.execute import Machine, Refused
from salus.machine.tables import NONCE
from salus.modules.audit import handlers
from salus.modules.audit.events import TermDefined
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.state import TERM
from tests.support.machine import Ledger, told

VIEW = DefineTerm(kind=1, number=1, text="VIEW")
BAD = DefineTerm(kind=3, number=1, text="VIEW")


@pytest.fixture
def ledger() -> Ledger:
    """Two members."""
    return Ledger(members=2)


def test_one_refused_message_undoes_all(ledger: Ledger) -> None:
    """Nothing of the transaction stays but the spent nonce; the place is told."""
    actor = ledger.members[0]

    outcome = ledger.block(ledger.sign(actor, VIEW, VIEW, BAD))

    receipt = outcome.receipts[0]
    assert 9002 == receipt.code
    assert [Refused(code=9002, at=1)] == told(receipt.events, Refused)
    assert ledger.row(TERM, 1, 1) is None
    assert [NONCE.key(actor.transaction.key_id)] == list(outcome.changes)


def test_later_transactions_see_what_earlier_ones_did(ledger: Ledger) -> None:
    """Within one block, in order."""
    first, second = ledger.members

    outcome = ledger.block(ledger.sign(first, VIEW), ledger.sign(second, VIEW))

    assert [0, 9002] == [receipt.code for receipt in outcome.receipts]


def test_an_entry_commits_to_each_message_and_event(ledger: Ledger) -> None:
    """So that each of many acts under one signature is provable alone."""
    actor = ledger.members[0]
    two = DefineTerm(kind=2, number=1, text="FILE")

    outcome = ledger.block(ledger.sign(actor, VIEW, two))

    entry = codec.decode(outcome.entries[0], TransactionEntry)
    assert merkle.root([codec.encode(VIEW), codec.encode(two)]) == entry.messages
    events = [codec.encode(TermDefined(kind=kind, number=1)) for kind in (1, 2)]
    assert merkle.root(events) == entry.events
    assert (2, 2, actor.transaction.key_id) == (
        entry.message_count, entry.event_count, entry.signer
    )  # fmt: skip


def test_an_empty_block_changes_nothing(ledger: Ledger) -> None:
    """No entry, so log and app hash stay, and an idle network goes quiet."""
    frontier = seal_genesis(ledger.network, bytes(32), ledger.time_ms).frontier

    sealed = seal(ledger.block(), bytes(32), frontier)

    assert [] == sealed.entries
    assert app_hash(1, frontier.root, bytes(32)) == sealed.app_hash


def test_a_block_entry_ends_a_block(ledger: Ledger) -> None:
    """It holds the state root, the number of transactions and the block's own events."""
    frontier = seal_genesis(ledger.network, bytes(32), ledger.time_ms).frontier
    root = b"\x01" * 32

    sealed = seal(ledger.block(ledger.sign(ledger.members[0], VIEW)), root, frontier)

    entry = codec.decode(sealed.entries[-1], BlockEntry)
    assert (1, root, ledger.height) == (entry.transactions, entry.state, entry.height)
    assert (1, 3) == (frontier.size, sealed.log_size)


def test_a_handlers_bug_is_no_outcome(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block's builder drops the transaction; a decided block stops the node."""

    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(handlers, "record_line", bug)
    machine = Machine(ledger.machine.modules)
    line = RecordLine(activity=1, node=1, ref=1, resource=1, time_ms=0, user=1)
    first, second = ledger.members
    block = Block(
        evidence=[],
        height=1,
        time_ms=ledger.time_ms,
        txs=[ledger.sign(first, VIEW, line), ledger.sign(second, VIEW)],
    )
    dropped: list[bytes] = []

    outcome = machine.execute(
        ledger.network, ledger.rows.get, block, drop=lambda data, _bug: dropped.append(data)
    )

    assert block.txs[:1] == dropped
    assert (block.txs[1:], [0]) == (outcome.txs, [one.code for one in outcome.receipts])
    with pytest.raises(Fault, match="RecordLine"):
        machine.execute(ledger.network, ledger.rows.get, block)


def test_signature_answers_are_taken_as_given(ledger: Ledger) -> None:
    """Who asks for it vouches: a pool's answers stand in for the check."""
    data = ledger.sign(ledger.members[0], VIEW)
    block = Block(evidence=[], height=1, time_ms=ledger.time_ms, txs=[data])
    outcome = ledger.machine.execute(ledger.network, ledger.rows.get, block, signatures=[False])

    assert 8 == outcome.receipts[0].code


def test_parsed_transactions_are_not_read_again(ledger: Ledger) -> None:
    """Who has read a block's envelopes once hands them in: same receipts, same entries."""
    data = ledger.sign(ledger.members[0], VIEW)
    block = Block(evidence=[], height=1, time_ms=ledger.time_ms, txs=[data])
    read = ledger.machine.form.read(data)

    known = ledger.machine.execute(ledger.network, ledger.rows.get, block, parsed=[read])

    plain = ledger.machine.execute(ledger.network, ledger.rows.get, block, signatures=[True])
    assert (plain.receipts, plain.entries, plain.changes) == (
        known.receipts,
        known.entries,
        known.changes,
    )
    event = ledger.machine.read_event(plain.receipts[0].events[0])
    assert TermDefined(kind=1, number=1) == event
